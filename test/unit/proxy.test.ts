// The proxy of a stack: what is read, refused, and never goes through it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repositoryFile } from "../../cluster/host.ts";
import { proxyDropIn, proxyFor } from "../../config/proxy.ts";
import { settings } from "./settings.ts";

const { cluster } = settings({
	proxy: { http: "http://192.0.2.9:3128/", https: "http://proxy.example:3129", noProxy: ["mirror.example", ".inside.example", "198.51.100.0/24"] },
});
const { proxy, repositories } = cluster;
assert.ok(proxy);

test("what belongs to the cluster never goes through the proxy", () => {
	assert.deepEqual(proxy.noProxy, [
		"localhost",
		"127.0.0.1",
		"172.16.1.0/24",
		"10.244.0.0/16",
		"10.96.0.0/12",
		".svc",
		".cluster.local",
		"k8s-master",
		"k8s-node01",
		"k8s-node02",
		"10.0.0.110",
		"10.0.0.111",
		"10.0.0.112",
		"mirror.example",
		".inside.example",
		"198.51.100.0/24",
	]);
});
test("a URL goes through the proxy of its kind, unless its host is left out", () => {
	const cases: [string, string | undefined][] = [
		["http://vault.centos.org/7.9.2009/os/$basearch/", "http://192.0.2.9:3128"],
		["https://pkgs.k8s.io/core:/stable:/v1.29/rpm/", "http://proxy.example:3129"],
		["http://172.16.1.1:8080/centos/", "none"],
		["http://198.51.100.7/", "none"],
		["http://198.51.101.7/", "http://192.0.2.9:3128"],
		["https://mirror.example/centos/", "none"],
		["https://MIRROR.example:8443/", "none"],
		["https://a.mirror.example/", "none"],
		["https://nomirror.example/", "http://proxy.example:3129"],
		["https://a.inside.example/", "none"],
		["https://inside.example/", "none"],
		["file:///media/", undefined],
	];
	for (const [url, expected] of cases) assert.equal(proxyFor(url, cluster), expected, url);
	assert.equal(proxyFor("http://vault.centos.org/", settings().cluster), undefined);
	assert.equal(proxyFor("https://pkgs.k8s.io/", settings({ proxy: { http: "http://192.0.2.9:3128" } }).cluster), undefined, "the host's own yum.conf decides");
});
test("a .repo file names its proxy, none where it is left out, and nothing without the setting", () => {
	const [repository] = repositories;
	assert.ok(repository);
	assert.match(repositoryFile(repository, "http://192.0.2.9:3128"), /^proxy=http:\/\/192\.0\.2\.9:3128$/m);
	assert.match(repositoryFile(repository, "none"), /^proxy=_none_$/m);
	assert.doesNotMatch(repositoryFile(repository), /proxy/);
});
test("the runtime's drop-in has the three variables that Go reads", () => {
	assert.equal(
		proxyDropIn({ http: "http://a:1", https: "http://b:2", noProxy: ["c", ".d"] }),
		'[Service]\nEnvironment="HTTP_PROXY=http://a:1"\nEnvironment="HTTPS_PROXY=http://b:2"\nEnvironment="NO_PROXY=c,.d"\n',
	);
	assert.equal(proxyDropIn({ https: "http://b:2", noProxy: ["c"] }), '[Service]\nEnvironment="HTTPS_PROXY=http://b:2"\nEnvironment="NO_PROXY=c"\n');
});
