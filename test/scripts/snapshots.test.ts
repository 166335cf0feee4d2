// The timer that takes snapshots of etcd: its units, what they run, how many stay, and how all of it goes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ID } from "./cluster-host.ts";
import { FakeHost, SYSTEMCTL } from "./fake-host.ts";

const UNITS = "/etc/systemd/system/kubeadm-lab-snapshots";
const FOLDER = "/var/lib/kubeadm-lab/cluster/snapshots";
const KEPT = "/var/lib/kubeadm-lab-snapshots";
const NAMES = ["20260101T000000Z-1", "20260102T000000Z-2", "20260103T000000Z-3"];

/** A control plane with snapshots of its timer; systemctl runs the service for real. */
function controlPlane(t: TestContext, by = "timer"): FakeHost {
	const host = new FakeHost(t);
	for (const [name, value] of Object.entries({ id: ID, step: "init", node: "k8s-master", finished: "yes", socket: "unix:///run/containerd/containerd.sock" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	host.write("/etc/kubernetes/manifests/etcd.yaml", "    image: registry.k8s.io/etcd:3.5.16-0\n");
	host.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "    image: registry.k8s.io/kube-apiserver:v1.29.15\n");
	for (const name of NAMES) {
		host.write(`${FOLDER}/${name}.db`, name);
		host.write(`${FOLDER}/${name}.about`, `by=${by}\n`);
	}
	const pages = Buffer.alloc(1024, "x");
	writeFileSync(join(host.root, "sent"), Buffer.concat([pages, createHash("sha256").update(pages).digest()]));
	const etcdctl = `${FOLDER}/tools/registry.k8s.io%2Fetcd:3.5.16-0/etcdctl`;
	host.write(
		etcdctl,
		`#!/bin/bash
case "$*" in *'snapshot save'*) [[ ! -e "\${0%%/var/*}/silent" ]] || exit 1; cp "\${0%%/var/*}/sent" "\${!#}" ;; *status*) echo '{"hash":1,"revision":624,"totalKey":2}' ;; esac
`,
	);
	chmodSync(join(host.root, etcdctl), 0o755);
	host.command("df", "echo Avail; echo 20000000000");
	host.command("openssl", "echo key");
	host.command("journalctl", "echo 'k8s-master snapshots: error: etcd gave no snapshot'");
	host.command(
		"systemctl",
		`r="\${KUBEADM_LAB_ROOT}"
case "$*" in
reset-failed*) rm -f "$r/units/kubeadm-lab-snapshots.active" ;;
start*snapshots.service) $(sed -n "s|^ExecStart=/bin/bash |/bin/bash $r|p" "$r${UNITS}.service") 2>>"$r/journal" || { echo failed >"$r/units/kubeadm-lab-snapshots.active"; exit 1; }; exit ;;
esac
${SYSTEMCTL}`,
	);
	return host;
}
const run = (host: FakeHost, verb: string, changes = {}) => host.run("snapshots", verb, { KEEP: 2, ...changes }, "k8s-master");
const names = (host: FakeHost, folder = FOLDER) => readdirSync(join(host.root, folder)).flatMap((name) => (name.endsWith(".db") ? [name.slice(0, -3)] : []));
const good = (answer: { status: number | null; stderr: string }) => assert.equal(answer.status, 0, answer.stderr);

test("a timer is set, a first snapshot taken at once, and the last ones of the timer stay", (t) => {
	const host = controlPlane(t);
	good(run(host, "apply"));
	assert.match(host.read(`${UNITS}.timer`), /^OnUnitActiveSec=6h$/m);
	const started = host.calls().filter((call) => /^systemctl (re)?start /.test(call));
	assert.deepEqual(
		started,
		["systemctl restart -- kubeadm-lab-snapshots.timer", "systemctl start -- kubeadm-lab-snapshots.service"],
		"systemd counts from a run of a loaded timer only",
	);
	const [kept, fresh = ""] = names(host);
	assert.deepEqual([names(host).length, kept], [2, NAMES[2]]);
	assert.match(fresh, /^\d{8}T\d{6}Z-624$/);
	assert.match(host.read(`${FOLDER}/${fresh}.about`), /^by=timer$/m);
	good(run(host, "check"));
	host.forgetCalls();
	good(run(host, "apply"));
	assert.deepEqual(names(host), [kept, fresh], "a second apply takes none");
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("systemctl")),
		[],
	);
});
test("a clock that was set back makes no new snapshot the oldest, which would be pruned at once", (t) => {
	const host = controlPlane(t);
	const ahead = ["20991231T235958Z-98", "20991231T235959Z-99"];
	for (const name of ahead) {
		host.write(`${FOLDER}/${name}.db`, name);
		host.write(`${FOLDER}/${name}.about`, "by=timer\n");
	}
	good(run(host, "apply"));
	assert.deepEqual(names(host), [ahead[1], "21000101T000000Z-624"]);
	assert.match(host.read(`${FOLDER}/21000101T000000Z-624.about`), /^taken=20(?!99)/m, "when it was taken, by the clock");
});
for (const by of ["hand", "upgrade"])
	test(`the timer prunes no snapshots taken by ${by}`, (t) => {
		const host = controlPlane(t, by);
		good(run(host, "apply", { KEEP: 1 }));
		assert.deepEqual(names(host).slice(0, 3), NAMES);
		assert.equal(names(host).length, 4);
	});
test("a snapshot that failed is drift; apply tries again and says why it can't", (t) => {
	const host = controlPlane(t);
	good(run(host, "apply"));
	host.write("/silent", "");
	host.write("/units/kubeadm-lab-snapshots.active", "failed\n");
	assert.match(run(host, "check").stdout, /^last snapshot\ttaken\tfailed$/m);
	const failed = run(host, "apply");
	assert.equal(failed.status, 1);
	assert.match(failed.stderr, /error: no snapshot could be taken: .*etcd gave no snapshot; see journalctl -u kubeadm-lab-snapshots/);
	host.bash(`rm -f "\${KUBEADM_LAB_ROOT}/silent"`);
	good(run(host, "apply"));
});
test("another setting sets the timer anew; a changed unit is put back", (t) => {
	const host = controlPlane(t);
	good(run(host, "apply"));
	assert.equal(run(host, "check", { EVERY: "30min" }).status, 3);
	good(run(host, "apply", { EVERY: "30min" }));
	assert.match(host.read(`${UNITS}.timer`), /^OnUnitActiveSec=30min$/m);
	host.write(`${UNITS}.service`, "changed\n");
	assert.match(run(host, "check", { EVERY: "30min" }).stdout, /^file \/etc\/systemd\/system\/kubeadm-lab-snapshots\.service\t/m);
	good(run(host, "apply", { EVERY: "30min" }));
	good(run(host, "check", { EVERY: "30min" }));
});
test("undo takes all of it away but the snapshots, which are the cluster's, and again does nothing", (t) => {
	const host = controlPlane(t);
	const before = host.snapshot("/etc");
	good(run(host, "apply"));
	const kept = names(host);
	for (const _ of [1, 2]) good(run(host, "undo"));
	assert.deepEqual(host.snapshot("/etc"), before);
	assert.deepEqual(names(host), kept);
	assert.deepEqual([host.exists("/var/lib/kubeadm-lab/snapshots"), host.exists(KEPT)], [false, false]);
});
test("with keepOnDestroy undo takes a last snapshot, moves all out of the cluster's records, and says where", (t) => {
	const host = controlPlane(t);
	host.command("curl", `[[ ! -e "\${KUBEADM_LAB_ROOT}/away" ]]`);
	good(run(host, "apply", { KEEP_ON_DESTROY: true }));
	const kept = names(host);
	const { status, stdout } = run(host, "undo", { KEEP_ON_DESTROY: true });
	assert.deepEqual([status, stdout], [0, `3 snapshots of etcd kept on k8s-master in ${KEPT}\n`]);
	assert.deepEqual([names(host), names(host, KEPT).slice(0, 2)], [[], kept]);
	assert.match(host.read(`${KEPT}/${names(host, KEPT)[2]}.about`), /^by=destroy$/m);
	good(run(host, "undo", { KEEP_ON_DESTROY: true }));
	assert.equal(names(host, KEPT).length, 3, "once");
});
test("with keepOnDestroy and an etcd that is gone the older snapshots are moved all the same", (t) => {
	for (const mark of ["/away", "/silent"]) {
		const host = controlPlane(t);
		host.command("curl", `[[ ! -e "\${KUBEADM_LAB_ROOT}/away" ]]`);
		good(run(host, "apply", { KEEP_ON_DESTROY: true }));
		const kept = names(host);
		host.write(mark, "");
		const { status, stdout, stderr } = run(host, "undo", { KEEP_ON_DESTROY: true });
		assert.deepEqual([status, stdout, names(host, KEPT)], [0, `2 snapshots of etcd kept on k8s-master in ${KEPT}\n`, kept]);
		assert.match(stderr, /no last snapshot of etcd: /);
	}
});
