// Finds out which commands and requests in a container's run were its hooks.
import type { Entry, Pod } from "../recording/entry.ts";
import type { ContainerHistory, Exec, Hook, PodHistory, Run } from "./pod-history.ts";

type Handler = NonNullable<NonNullable<Pod["spec"]["containers"][number]["lifecycle"]>["preStop"]>;

export function hookOf(handler: Handler): Hook {
	const { httpGet, sleep } = handler as Handler & { sleep?: { seconds: number } };
	if (httpGet) return { form: "httpGet", path: httpGet.path || "/" };
	if (sleep) return { form: "sleep", seconds: sleep.seconds };
	return { form: handler.tcpSocket ? "tcpSocket" : "exec" };
}

/** How long after the end of preStop the kubelet asks for the stop, on a busy host. */
const STOP_AFTER_HOOK_MS = 1000;
/** The kubelet gives a process this long after a preStop hook has used up the grace period (pkg/kubelet/kuberuntime, minimumGracePeriodInSeconds). */
export const LEAST_GRACE_SECONDS = 2;
/** A hook that takes the whole grace period is waited for so much less: the kubelet counts from a little before its command is there. */
export const HOOK_TOLERANCE_MS = 500;

/**
 * containerd doesn't say what a command was for: a hook, a probe, or somebody's kubectl exec. The kubelet runs postStart before anything else in a container,
 * so the first is postStart where there is one. It asks for the stop when preStop has ended, or when the grace period has: so preStop is the command that
 * began that long before, or ended just before. Where there is neither, it is the first after the deletion.
 */
export function nameHooks(run: Run, { postStart, preStop }: ContainerHistory, deletion: Entry | undefined, graceSeconds: number): void {
	nameRequests(run, postStart, preStop, deletion);
	const commands = run.execs.filter(({ requested, started }) => requested ?? started);
	const [first, ...rest] = commands;
	if (first && postStart?.form === "exec") first.what = "postStart";
	const candidates = postStart?.form === "exec" ? rest : commands;
	if (preStop?.form !== "exec") return;
	const stop = run.stopRequested?.at ?? run.exited?.at ?? Number.POSITIVE_INFINITY;
	const deletedAt = deletion?.apiSecond ?? Number.POSITIVE_INFINITY;
	const asked = stop >= deletedAt ? deletedAt : Number.NEGATIVE_INFINITY; // else it was stopped before, such as after a failed postStart
	const isStopping = run.stopRequested !== undefined || (deletion !== undefined && stop >= deletedAt); // else it ended by itself
	const possible = candidates.filter(({ requested }) => requested !== undefined && requested.at <= stop && requested.at >= asked);
	const found = isStopping ? preStopAmong(possible, stop, asked, Math.max(graceSeconds, LEAST_GRACE_SECONDS) * 1000) : undefined;
	if (found) found.what = "preStop";
}
function preStopAmong(possible: Exec[], stop: number, asked: number, graceMs: number): Exec | undefined {
	const endOf = ({ exited }: Exec) => (exited && exited.at <= stop ? exited.at : Number.NEGATIVE_INFINITY);
	const wholeGrace = possible.find((exec) => endOf(exec) < 0 && stop - (exec.requested?.at ?? stop) >= graceMs - HOOK_TOLERANCE_MS);
	if (wholeGrace) return wholeGrace;
	const lastEnded = possible.toSorted((a, b) => endOf(a) - endOf(b)).at(-1);
	if (lastEnded && stop - endOf(lastEnded) <= STOP_AFTER_HOOK_MS) return lastEnded;
	return Number.isFinite(asked) ? possible[0] : possible.at(-1);
}
/** Only hooks make requests under the kubelet's name for them; where both are requests of one path, the first is postStart. */
function nameRequests({ requests, execs }: Run, postStart: Hook | undefined, preStop: Hook | undefined, deletion: Entry | undefined): void {
	const asks = (hook: Hook | undefined, { text }: Entry) => hook?.form === "httpGet" && text.includes(` ${hook.path} `);
	const seen = new Set<string>();
	for (const request of requests) {
		if (seen.has(request.text)) continue; // read twice: the kubelet asked twice to stop the container
		seen.add(request.text);
		const isLate = deletion !== undefined && request.at >= (deletion.apiSecond ?? deletion.at);
		const isPreStop = asks(preStop, request) && (isLate || !asks(postStart, request));
		if (isPreStop || asks(postStart, request)) execs.push({ what: isPreStop ? "preStop" : "postStart", exited: request });
	}
}

/** Why a hook was not seen. */
export function unseen(history: PodHistory, hook: "postStart" | "preStop"): string {
	const forms = history.containers.flatMap((container) => container[hook] ?? []);
	if (forms.length === 0) return `No container has a ${hook} hook.`;
	const notExec = forms.find(({ form }) => form !== "exec");
	if (notExec) return UNSEEN[notExec.form](hook);
	return history.hasRuntime ? `No ${hook} command was seen.` : "The container runtime was not heard: only it knows when hooks ran.";
}

/** What runs no command in the container leaves no trace in the runtime. */
const UNSEEN: Record<Hook["form"], (hook: string) => string> = {
	exec: (hook) => `No ${hook} command was seen.`,
	httpGet: (hook) => `${hook} is an httpGet: only its server sees it, and no line of the container's log names the kubelet (kube-lifecycle).`,
	tcpSocket: (hook) => `${hook} is a tcpSocket: the kubelet runs none, and the API takes it for old manifests' sake only.`,
	sleep: (hook) => `${hook} is a sleep of the kubelet's own: nothing shows it but the time that it takes, and that doesn't tell here.`,
};
