// One address for several control planes, on a played host: what is written and started, what is drift, and what the preflight refuses.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const HAPROXY = "/etc/haproxy/haproxy.cfg";
const KEEPALIVED = "/etc/keepalived/keepalived.conf";
const CARDS = "2: eth1    inet 172.16.1.112/24 brd 172.16.1.255 scope global eth1\n";
function prepared(t: TestContext, cards = CARDS): FakeHost {
	const host = new FakeHost(t);
	host.write("/addresses", cards);
	host.write(HAPROXY, "as the package brings it\n");
	host.write(KEEPALIVED, "as the package brings it\n");
	host.command("haproxy");
	host.command("curl", "exit 7");
	return host;
}

test("both are written, for the card that has the host's address, and started, haproxy first; a second run changes nothing", (t) => {
	const host = prepared(t);
	const { status, stderr } = host.run("endpoint", "apply");
	assert.equal(status, 0, stderr);
	assert.equal(host.read(KEEPALIVED), "vrrp_instance kubernetes_api {\n    interface eth1\n    unicast_peer {\n        172.16.1.111\n    }\n}\n");
	assert.match(host.read(HAPROXY), /bind 172\.16\.1\.100:8443 transparent/);
	const starts = host.calls().filter((call) => /^systemctl (start|enable|reload)/.test(call));
	assert.deepEqual(
		starts.map((call) => call.replace("-- ", "").replace("--quiet --no-reload ", "")),
		["systemctl enable haproxy.service keepalived.service", "systemctl start haproxy.service", "systemctl start keepalived.service"],
	);
	assert.equal(host.run("endpoint", "check").status, 0);
	host.forgetCalls();
	assert.equal(host.run("endpoint", "apply").status, 0);
	assert.deepEqual(
		host.calls().filter((call) => /^systemctl (start|restart|enable|reload)/.test(call)),
		[],
	);
});
test("another configuration is taken by a reload, which keeps connections", (t) => {
	const host = prepared(t);
	host.run("endpoint", "apply");
	host.forgetCalls();
	const HAPROXY_CONFIG = "frontend kubernetes-api\n    bind 172.16.1.100:9443 transparent\n";
	assert.equal(host.run("endpoint", "check", { HAPROXY_CONFIG }).status, 3);
	assert.equal(host.run("endpoint", "apply", { HAPROXY_CONFIG }).status, 0);
	assert.deepEqual(
		host.calls().filter((call) => /^systemctl (re)?(start|load)/.test(call)),
		["systemctl reload -- haproxy.service"],
	);
});
test("a peer that leaves stays in the list, or both would carry the address while it does; without any there is no list", (t) => {
	const host = prepared(t);
	host.run("endpoint", "apply", { PEERS: ["172.16.1.110", "172.16.1.111"] });
	assert.equal(host.run("endpoint", "apply", { PEERS: [] }).status, 0);
	assert.match(host.read(KEEPALIVED), /unicast_peer \{\n {8}172\.16\.1\.110\n {8}172\.16\.1\.111\n {4}\}/);
	assert.equal(host.run("endpoint", "check", { PEERS: [] }).status, 0);
	const alone = prepared(t);
	alone.run("endpoint", "apply", { PEERS: [] });
	assert.equal(alone.read(KEEPALIVED), "vrrp_instance kubernetes_api {\n    interface eth1\n}\n");
});
test("a configuration that haproxy does not take is not started", (t) => {
	const host = prepared(t);
	host.command("haproxy", "echo '[ALERT] parsing error' >&2; exit 1");
	const { status, stderr } = host.run("endpoint", "apply");
	assert.equal(status, 1);
	assert.match(stderr, /\[ALERT\] parsing error\n.*haproxy does not take \/etc\/haproxy\/haproxy\.cfg: the lines above say why/);
	assert.ok(!host.calls().some((call) => call.startsWith("systemctl start")));
});
test("stopped by hand, disabled, edited, or an address that nobody carries: drift, and apply mends it", (t) => {
	const host = prepared(t);
	host.run("endpoint", "apply");
	host.write("/var/lib/kubeadm-lab/cluster/finished", "yes");
	host.command("curl", `case "$*" in *127.0.0.1*) ;; *) [[ -e "\${KUBEADM_LAB_ROOT}/carried" ]] || exit 7 ;; esac`);
	host.write("/units/keepalived.active", "failed\n");
	host.write("/units/haproxy.enabled", "disabled\n");
	host.write(KEEPALIVED, "edited\n");
	const found = host.run("endpoint", "check").stdout;
	for (const item of [
		`file ${KEEPALIVED}`,
		"keepalived running\tactive\tfailed",
		"haproxy at boot\tenabled\tdisabled",
		"endpoint 172.16.1.100:8443\tanswers\tno answer",
	])
		assert.ok(found.includes(item), `${item} in:\n${found}`);
	host.write("/carried", "");
	assert.equal(host.run("endpoint", "apply").status, 0);
	assert.equal(host.run("endpoint", "check").stdout, "");
});
test("undo takes the address off, and gives both files and both units back", (t) => {
	const host = prepared(t);
	host.run("endpoint", "apply");
	host.write("/addresses", `${CARDS}2: eth1    inet 172.16.1.100/32 scope global eth1\n`);
	host.forgetCalls();
	const { status, stderr } = host.run("endpoint", "undo");
	assert.equal(status, 0, stderr);
	assert.ok(host.calls().includes("ip address delete 172.16.1.100/32 dev eth1"), host.calls().join("\n"));
	for (const path of [HAPROXY, KEEPALIVED]) assert.equal(host.read(path), "as the package brings it\n");
	for (const unit of ["haproxy", "keepalived"])
		assert.deepEqual([host.read(`/units/${unit}.active`), host.read(`/units/${unit}.enabled`)], ["inactive\n", "disabled\n"]);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	host.forgetCalls();
	assert.equal(host.run("endpoint", "undo").status, 0);
	assert.ok(!host.calls().some((call) => /systemctl (start|stop)/.test(call)), "nothing of it is ours any more");
});
