// A host whose recorder's unit runs for real, with stand-ins for what it listens to.
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { unpackRecording } from "../../lifecycle/recording/packed.ts";
import { readRecording } from "../../lifecycle/recording/recording.ts";
import { FakeHost, SYSTEMCTL } from "./fake-host.ts";

export const LIST = '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","remainingItemCount":3},"items":[]}';
export const ADDED =
	'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a-pod","namespace":"default","uid":"u1","resourceVersion":"8","managedFields":[{"manager":"m","fieldsV1":{"f:x":{}}}]},"spec":{"containers":[]},"status":{"phase":"Pending"}}}';

/** Its systemctl runs the recorder's unit for real, in a session of its own; what was left running ends with the test, before the host's folder goes. */
export function hostWith(t: TestContext): FakeHost {
	t.after(() => {
		const sessions = host.exists("/sessions") ? host.read("/sessions").trim().split("\n") : [];
		for (const session of sessions) spawnSync("bash", ["-c", `while pkill -KILL --session ${session}; do sleep 0.05; done`], { timeout: 5000 });
	});
	const host = new FakeHost(t);
	host.command(
		"systemctl",
		`r="\${KUBEADM_LAB_ROOT}" all="$*"
case "\${all}" in
start*recorder.service*)
  setsid $(sed -n 's/^ExecStart=//p' "$r/etc/systemd/system/kubeadm-lab-recorder.service") >/dev/null 2>&1 </dev/null 9>&- & echo "$!" >>"$r/sessions" ;;
stop*recorder.service*) while read -r session; do pkill -TERM --session "\${session}"; done <"$r/sessions" 2>/dev/null; sleep 0.2 ;;
esac
${SYSTEMCTL}`,
	);
	host.command(
		"kubectl",
		`case "$*" in *watch=1*pods*|*pods*watch=1*) printf '%s\\n' '${ADDED}'; sleep 20 ;; *watch=1*) sleep 20 ;; *) echo '${LIST}' ;; esac`,
	);
	host.command("ctr", `printf '2026-11-24 18:21:16.569453746 +0000 UTC k8s.io /tasks/start {"container_id":"c1","pid":7}\\n'; sleep 20`);
	host.command("journalctl", `printf 'time="2026-11-24T18:21:16.5Z" level=info msg="StopContainer for \\\\"c1\\\\" with timeout 30 (s)"\\n'; sleep 20`);
	host.command("curl", `printf 'Date: %s\\r\\n' "$(date -u '+%a, %d %b %Y %H:%M:%S GMT')"`);
	return host;
}
export const settings = { BOUND_SECONDS: 60 };
export const recordingOf = (host: FakeHost, name: string) => readRecording(unpackRecording(host.run("recording", "apply", {}, name).stdout));
/** Looks again and again, at most 15 s: how fast the recorder is depends on the machine. */
export async function until(isSo: () => boolean): Promise<void> {
	for (const end = Date.now() + 15_000; !isSo(); await pause(100)) if (Date.now() > end) throw new Error(`not so after 15 s: ${isSo}`);
}
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
