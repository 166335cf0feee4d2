// What a stack's configuration must not say of networks: ranges that overlap or don't fit, and proxies.
import assert from "node:assert/strict";
import { test } from "node:test";
import { problems, withHost } from "./settings.ts";

const wrong: [string, Record<string, unknown>, string[]][] = [
	[
		"a proxy with a password, which is not shown",
		{ proxy: { http: "http://me:hunter2@proxy.example:3128" } },
		[
			"proxy.http: holds a user's name or password, which everybody on the hosts could read there (in the .repo files, and systemctl show). Let the proxy know the hosts by their addresses, and write http://<host>:<port>.",
		],
	],
	[
		"a proxy without a port, one behind https, and what is no name",
		{ proxy: { http: "http://proxy.example", https: "https://proxy.example:3128", noProxy: ["a b", "*", "10.1.1.1/8"] } },
		[
			...[
				["http", "http://proxy.example"],
				["https", "https://proxy.example:3128"],
			].map(
				([name, url]) =>
					`proxy.${name}: "${url}" is not a proxy. Use http://<host>:<port>, such as http://proxy.example:3128; CentOS 7's curl and yum know no proxy behind https.`,
			),
			...["a b", "*", "10.1.1.1/8"].map(
				(entry, i) => `proxy.noProxy[${i}]: "${entry}" is not a name, domain, address or CIDR. Use one such as mirror.example, .example.com or 192.0.2.0/24.`,
			),
		],
	],
	[
		"a proxy under another key",
		{ proxy: { HTTP: "http://p:1", noproxy: [] } },
		[
			"proxy.HTTP: unknown key. Did you mean http?",
			"proxy.noproxy: unknown key. Did you mean noProxy?",
			"proxy: has neither http nor https. Set one of them or both, such as http: http://proxy.example:3128, or remove it.",
		],
	],
	["a list as text", { proxy: { http: "http://p:1", noProxy: "a,b" } }, ['proxy.noProxy: found "a,b", expected type array. Write a value of that type.']],
	[
		"an address outside the network",
		withHost(1, { address: "172.16.2.111" }),
		["hosts[1].address: 172.16.2.111 is outside nodeNetwork 172.16.1.0/24. Use the card that all hosts share, or correct nodeNetwork."],
	],
	["a network that is none", { nodeNetwork: "172.16.1.0" }, ['nodeNetwork: "172.16.1.0" is not a CIDR. Use address/prefix, such as 172.16.1.0/24.']],
	["bits behind the prefix", { podCidr: "10.245.1.0/16" }, ['podCidr: "10.245.1.0/16" is not a CIDR. Use address/prefix, such as 10.245.0.0/16.']],
	[
		"ranges that are not for hosts",
		{ podCidr: "127.0.0.0/8", serviceCidr: "224.0.0.0/12" },
		[
			'podCidr: "127.0.0.0/8" takes in addresses that are not for hosts. Use one such as 10.244.0.0/16.',
			'serviceCidr: "224.0.0.0/12" takes in addresses that are not for hosts. Use one such as 10.96.0.0/12.',
		],
	],
	[
		"a Pod range over a host",
		{ podCidr: "10.0.0.0/14" },
		[
			"podCidr: 10.0.0.0/14 contains host k8s-master (10.0.0.110), k8s-node01 (10.0.0.111), k8s-node02 (10.0.0.112). Choose a range outside the hosts' networks, such as 10.244.0.0/16.",
		],
	],
	[
		"a Service range over the hosts' network",
		{ serviceCidr: "172.16.1.192/26" },
		["serviceCidr: 172.16.1.192/26 overlaps nodeNetwork 172.16.1.0/24. Choose a range outside the hosts' networks, such as 10.96.0.0/12."],
	],
	[
		"overlapping ranges",
		{ podCidr: "10.100.0.0/16" },
		["serviceCidr: 10.96.0.0/12 overlaps podCidr 10.100.0.0/16. Choose ranges apart, such as 10.96.0.0/12 and 10.244.0.0/16."],
	],
	[
		"a Pod range too small",
		{ podCidr: "10.244.0.0/23" },
		["podCidr: 10.244.0.0/23 has room for 2 Nodes with a /24 each, need 3. Use a wider range, such as 10.244.0.0/16."],
	],
	["a Service range too wide", { serviceCidr: "11.0.0.0/8" }, ["serviceCidr: 11.0.0.0/8 is a /8, kubeadm takes /12 to /28. Use a range such as 10.96.0.0/12."]],
];
for (const [name, changes, expected] of wrong)
	test(`${name}: ${expected.length === 0 ? "accepted" : "refused, with what to write instead"}`, () => assert.deepEqual(problems(changes), expected));

test("two hosts that would get the same Pod range are named, unless the controller-manager gives ranges out", () => {
	const far = { ...withHost(2, { address: "172.16.1.114" }), podCidr: "10.244.0.0/22" };
	assert.equal(problems(far).length, 1);
	assert.match(problems(far)[0] ?? "", /^podCidr: 10\.244\.0\.0\/22 gives k8s-master and k8s-node02 the same \/24/);
	assert.deepEqual(problems({ ...far, podCidrs: "controller-manager" }), []);
});
