// A Pod of the gallery: made once, looked at for a bounded time, deleted in its own way.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

/** Its kubectl knows one Pod at most: `pod` holds its line. */
function hostWith(t: TestContext, lines = ["main-ends   0/1   Pending   0   0s", "main-ends   0/1   Completed   0   2s"]): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/kubernetes/admin.conf", "admin");
	host.command(
		"kubectl",
		`r="\${KUBEADM_LAB_ROOT}"
case "$*" in
*"create -f -"*) cat >"$r/manifest"; echo '${lines[0]}' >"$r/pod" ;;
*--watch*) printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} ;;
*"delete pod"*) rm "$r/pod" ;;
*"get pod"*) cat "$r/pod" 2>/dev/null ;;
esac`,
	);
	return host;
}
const run = (host: FakeHost, verb: string, changes = {}) => host.run("scenario", verb, changes, "k8s-master");
const calls = (host: FakeHost, word: string) => host.calls().filter((call) => call.includes(word));

test("scenario makes its Pod once, and prints its line when there is something to see", (t) => {
	const host = hostWith(t);
	const { status, stdout, stderr } = run(host, "apply");
	assert.equal(status, 0, stderr);
	assert.equal(stdout, "main-ends   0/1   Completed   0   2s\n");
	assert.equal(JSON.parse(host.read("/manifest")).metadata.name, "main-ends");
	run(host, "apply");
	assert.equal(calls(host, "create").length, 1);
});
test("a run ends when there is something to see, though its watch goes on", (t) => {
	const host = hostWith(t);
	host.write("/bin/kubectl", host.read("/bin/kubectl").replace("*--watch*)", "*--watch*) trap 'exec /bin/sleep 20' EXIT;"));
	const start = performance.now();
	assert.equal(run(host, "apply", { SETTLE_SECONDS: 15 }).stdout, "main-ends   0/1   Completed   0   2s\n");
	assert.ok(performance.now() - start < 10_000, "it was waited for");
});
test("a Pod that doesn't get there is told as it is, and nothing fails", (t) => {
	const { status, stdout, stderr } = run(hostWith(t, ["main-ends   0/1   Pending   0   0s"]), "apply");
	assert.equal(status, 0);
	assert.equal(stdout, "main-ends   0/1   Pending   0   0s\n");
	assert.match(stderr, /does not look as expected after 60 s: main-ends .* \(expected Completed\)/);
});
test("undo deletes in the scenario's own way, leaves nothing, and may be run again", (t) => {
	const host = hostWith(t);
	run(host, "apply");
	assert.equal(run(host, "check").status, 0);
	assert.equal(run(host, "undo", { DELETE_OPTIONS: ["--grace-period=0", "--force"] }).status, 0);
	assert.match(calls(host, "delete pod")[0] ?? "", /delete pod main-ends --grace-period=0 --force$/);
	assert.equal(run(host, "check").status, 3);
	assert.equal(run(host, "undo").status, 0);
	assert.equal(calls(host, "delete pod").length, 1);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});
test("undo is done though a kubectl of another run writes in the cache that it takes away", (t) => {
	const host = hostWith(t);
	run(host, "apply");
	const ends = '*"delete pod"*) rm "$r/pod"';
	const writes = `(for i in {1..20000}; do [[ ! -e "$r/enough" ]] || break; mkdir -p "$HOME/$i" && : >"$HOME/$i/file"; done; : >"$r/ended") >/dev/null 2>&1 </dev/null &
until [[ -e "$HOME/99/file" ]]; do :; done`;
	host.write("/bin/kubectl", host.read("/bin/kubectl").replace(ends, `${ends}; ${writes.replaceAll("$", "$$$$")}`));
	const { status, stderr } = run(host, "undo");
	assert.equal(status, 0, stderr);
	host.bash(`r="\${KUBEADM_LAB_ROOT}"; : >"$r/enough"; for _ in {1..600}; do [[ ! -e "$r/ended" ]] || exit 0; sleep 0.05; done; exit 1`);
	assert.ok(host.exists("/run/kubeadm-lab-scenario.cache"), "nothing was written while it was taken away");
});
test("a Pod that the API server refuses fails with its answer", (t) => {
	const host = hostWith(t);
	host.command("kubectl", 'case "$*" in *create*) echo "Pod is invalid: spec.x"; exit 1 ;; esac');
	const { status, stderr } = run(host, "apply");
	assert.equal(status, 1);
	assert.match(stderr, /error: Pod main-ends was refused: Pod is invalid: spec\.x/);
});
