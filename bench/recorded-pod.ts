// Makes a Pod that prints the time to the millisecond with each line of its process and hooks, into the file that the recorder reads.
import { measure, project } from "./measure.ts";

export const CONTROL_PLANE = "k8s-master";
export const WORKER = "k8s-node01";
export const HOSTS = [CONTROL_PLANE, WORKER, "k8s-node02"];
const FOLDER = "/data/volumes/nginx/log";
export const FILE = `${FOLDER}/message`;

/** What a command prints on a lab host; throws unless it exits 0. */
export const onLabHost = async (host: string, command: string): Promise<string> => (await measure(`${project}lab/lab`, ["ssh", host, command])).output;

/** The Pod's own times and those of whoever made and deleted it, in ms since 1970. The lab's hosts share one clock. */
export interface Times {
	name: string;
	asked: number;
	ready: number;
	deleted: number;
	gone: number;
	/** main, term, and each hook's begin and end, such as postStart-begin. */
	own: Map<string, number>;
}

/** busybox's date has no fraction of a second; its adjtimex shows the time, and sets nothing without options. */
const NOW = `adjtimex | awk '/tv_sec/ {s = $2} /tv_usec/ {u = $2} END {printf "%d.%06d", s, u}'`;

function podManifest(name: string): string {
	const say = (what: string) => `echo ${name} ${what} $(${NOW}) >>/log/message`;
	const hook = (what: string) => ({ exec: { command: ["/bin/sh", "-c", `${say(`${what}-begin`)}; sleep 0.2; ${say(`${what}-end`)}`] } });
	return JSON.stringify({
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name, namespace: "default" },
		spec: {
			nodeName: WORKER,
			terminationGracePeriodSeconds: 10,
			volumes: [{ name: "log", hostPath: { path: FOLDER, type: "DirectoryOrCreate" } }],
			containers: [
				{
					name: "main",
					image: "registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24",
					volumeMounts: [{ name: "log", mountPath: "/log" }],
					command: ["/bin/sh", "-c", `ended() { ${say("term")}; exit 0; }; trap ended TERM; ${say("main")}; sleep 3600 & wait`],
					lifecycle: { postStart: hook("postStart"), preStop: hook("preStop") },
				},
			],
		},
	});
}

/** One Pod's life, from its creation until it is gone: about 4 s. */
export async function live(name: string): Promise<Times> {
	const kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl";
	// All on the control plane, in one login: the stamps are kubectl's, not SSH's.
	const script = [
		"now() { date +%s%3N; }",
		`asked=$(now); echo '${podManifest(name).replaceAll("'", "'\\''")}' | ${kubectl} create -f - >/dev/null`,
		`${kubectl} wait --for=condition=Ready pod/${name} --timeout=60s >/dev/null; ready=$(now); sleep 0.5`,
		`deleted=$(now); ${kubectl} delete pod ${name} >/dev/null; echo "$asked $ready $deleted $(now)"`,
	].join("\n");
	const [asked = 0, ready = 0, deleted = 0, gone = 0] = (await onLabHost(CONTROL_PLANE, `set -e\n${script}`)).trim().split(" ").map(Number);
	const lines = (await onLabHost(WORKER, `grep '^${name} ' ${FILE}`)).trim().split("\n");
	const own = new Map(lines.map((line) => line.split(" ")).map(([, what = "", time]) => [what, Number(time) * 1000]));
	return { name, asked, ready, deleted, gone, own };
}
