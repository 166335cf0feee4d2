// The timer that renews a control plane's certificates: its units, what they do and when, and how all of it goes.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type FakeHost, SYSTEMCTL } from "./fake-host.ts";
import { conf, controlPlane, playRenewal, soon } from "./member-host.ts";

const UNITS = "/etc/systemd/system/kubeadm-lab-renewal";

/** A control plane whose systemctl runs the service for real. */
function withTimer(t: TestContext): FakeHost {
	const host = controlPlane(t);
	playRenewal(host);
	host.command("journalctl", `cat "\${KUBEADM_LAB_ROOT}/journal"`);
	host.command(
		"systemctl",
		`r="\${KUBEADM_LAB_ROOT}"
case "$*" in
reset-failed*) rm -f "$r/units/kubeadm-lab-renewal.active" ;;
start*renewal.service) $(sed -n "s|^ExecStart=/bin/bash |/bin/bash $r|p" "$r${UNITS}.service") 2>>"$r/journal" && rm -f "$r/units/kubeadm-lab-renewal.active" || { echo failed >"$r/units/kubeadm-lab-renewal.active"; exit 1; }; exit ;;
esac
${SYSTEMCTL}`,
	);
	return host;
}
const run = (host: FakeHost, verb: string, changes = {}) => host.run("renewal", verb, changes, "k8s-master");
const good = (answer: { status: number | null; stderr: string }) => assert.equal(answer.status, 0, answer.stderr);
const renewals = (host: FakeHost) => host.calls().filter((call) => call.startsWith("kubeadm"));
/** As systemd does it, a day later. */
const aDayLater = (host: FakeHost) => host.bash(`"\${KUBEADM_LAB_ROOT}/bin/systemctl" start kubeadm-lab-renewal.service`);

test("a timer is set, certificates that end soon are renewed and read by their Pods, and a second look finds nothing to do", (t) => {
	const host = withTimer(t);
	good(run(host, "apply"));
	assert.match(host.read(`${UNITS}.timer`), /^OnBootSec=10min\nOnCalendar=\*-\*-\* 01:00:00$/m);
	assert.deepEqual(renewals(host), [], "all are good");
	good(run(host, "check"));
	for (const name of ["controller-manager", "super-admin"]) host.write(`/etc/kubernetes/${name}.conf`, conf(soon));
	host.forgetCalls();
	assert.equal(aDayLater(host).status, 0, host.read("/journal"));
	assert.deepEqual(renewals(host), ["kubeadm certs renew controller-manager.conf", "kubeadm certs renew super-admin.conf"]);
	assert.ok(
		host.calls().some((call) => /^crictl .* stop kube-controller-manager-$/.test(call)),
		host.calls().join("\n"),
	);
	host.forgetCalls();
	assert.equal(aDayLater(host).status, 0, host.read("/journal"));
	assert.deepEqual(renewals(host), []);
});
test("each of several control planes has hours of its own", (t) => {
	const host = withTimer(t);
	const hours = [0, 1, 4].map((TURN) => {
		good(run(host, "apply", { TURN }));
		return host.read(`${UNITS}.timer`).match(/^On.*$/gm);
	});
	assert.deepEqual(hours, [
		["OnBootSec=10min", "OnCalendar=*-*-* 01:00:00"],
		["OnBootSec=130min", "OnCalendar=*-*-* 03:00:00"],
		["OnBootSec=490min", "OnCalendar=*-*-* 09:00:00"],
	]);
});
test("the admin's kubeconfig is renewed too; the stack reads it anew with the next up", (t) => {
	const host = withTimer(t);
	good(run(host, "apply"));
	host.write("/etc/kubernetes/admin.conf", conf(soon));
	host.write("/bin/kubeadm", host.read("/bin/kubeadm").replace("etc/kubernetes/admin.conf", "etc/kubernetes/super-admin.conf"));
	host.forgetCalls();
	assert.equal(aDayLater(host).status, 0, host.read("/journal"));
	assert.deepEqual(renewals(host), ["kubeadm certs renew admin.conf"]);
});
test("a renewal that failed is drift, and the next apply tries again and says why", (t) => {
	const host = withTimer(t);
	good(run(host, "apply"));
	host.write("/etc/kubernetes/scheduler.conf", conf(soon));
	assert.equal(aDayLater(host).status, 1);
	assert.equal(run(host, "check").stdout, "last renewal\tdone\tfailed\n");
	const { status, stderr } = run(host, "apply");
	assert.equal(status, 1);
	assert.match(stderr, /error: certificates could not be renewed: .*kubeadm certs renew scheduler\.conf failed/);
	host.write("/works", "");
	good(run(host, "apply"));
	good(run(host, "check"));
});
test("undo takes timer, service and program away, and a host that left the cluster renews nothing", (t) => {
	const host = withTimer(t);
	const before = host.snapshot("/etc");
	good(run(host, "apply"));
	host.write("/var/lib/kubeadm-lab/cluster/id", "another");
	assert.equal(aDayLater(host).status, 1);
	assert.match(host.read("/journal"), /this host is not in \S+ any more/);
	good(run(host, "undo"));
	assert.deepEqual(host.snapshot("/etc"), before);
	assert.equal(host.exists("/var/lib/kubeadm-lab/renewal"), false);
});
