// The gallery: Pods that go wrong in the ways that bite people. Pure: what each is, what it should show, and which release it needs.
import type { core } from "@pulumi/kubernetes/types/input.js";
import type { ScenarioName } from "../config/settings.ts";
import type { GuaranteeId } from "../lifecycle/verdicts/guarantees.ts";
import type { Word } from "../lifecycle/verdicts/order.ts";

export interface Images {
	/** Has a shell, and little else. */
	busybox: string;
	/** A web server. */
	nginx: string;
	/** Has no shell. */
	pause: string;
}
export interface Scenario {
	/** One line for people. */
	shows: string;
	/** First minor release of Kubernetes 1 that can do it, with its feature gates as they are by default. */
	fromMinor: number;
	/** An earlier one can too, with this feature gate. */
	gate?: { name: string; fromMinor: number };
	spec: (images: Images) => core.v1.PodSpec;
	/** Its line in `kubectl get pod` once there is something to see: a bash regular expression. */
	settled: string;
	/** Options of kubectl delete. */
	deleteOptions?: string[];
	/** Verdicts of a recording, from before it exists until after it is gone. */
	expected: Partial<Record<GuaranteeId, Word>>;
	/** Reasons of events that must be there. */
	events: string[];
}

const sh = (text: string) => ["/bin/sh", "-c", text];
const exec = (text: string) => ({ exec: { command: sh(text) } });
/** A process that ends at SIGTERM, as a good one does. */
const GOOD = sh("trap 'exit 0' TERM; sleep 3600 & wait");
const mainContainer = (image: string, more: Partial<core.v1.Container> = {}): core.v1.Container => ({
	name: "main",
	image,
	imagePullPolicy: "IfNotPresent",
	command: GOOD,
	...more,
});

/** A hook that never ends would make a destroy wait as long. */
const HANG_SECONDS = 90;
const LOGGING_NGINX =
	"echo 'user nginx; events {} http { access_log /dev/stdout; server { listen 80; root /usr/share/nginx/html; } }' >/etc/nginx/hook.conf; exec nginx -c /etc/nginx/hook.conf -g 'daemon off;'";

export const SCENARIOS = {
	"poststart-fails": {
		shows: "postStart fails: the container is killed and started again",
		fromMinor: 17,
		spec: ({ busybox }) => ({ terminationGracePeriodSeconds: 3, containers: [mainContainer(busybox, { lifecycle: { postStart: exec("exit 1") } })] }),
		settled: "(PostStartHookError|CrashLoopBackOff) +[1-9]",
		expected: { "poststart-failure": "PASS", "hooks-at-least-once": "PASS", "poststart-after-created": "PASS" },
		events: ["FailedPostStartHook", "BackOff"],
	},
	"prestop-fails": {
		shows: "preStop fails: the Pod still ends, in good order",
		fromMinor: 17,
		spec: ({ busybox }) => ({ terminationGracePeriodSeconds: 10, containers: [mainContainer(busybox, { lifecycle: { preStop: exec("exit 1") } })] }),
		settled: "1/1 +Running",
		expected: { "prestop-before-term": "PASS", "hooks-at-least-once": "PASS" },
		events: ["FailedPreStopHook"],
	},
	"prestop-hangs": {
		shows: "preStop outlasts the grace period: the process gets 2 s, then it is killed",
		fromMinor: 17,
		spec: ({ busybox }) => ({ terminationGracePeriodSeconds: 5, containers: [mainContainer(busybox, { lifecycle: { preStop: exec("sleep 60") } })] }),
		settled: "1/1 +Running",
		expected: { "prestop-before-term": "PASS", "grace-includes-prestop": "PASS" },
		events: ["Killing"],
	},
	"poststart-hangs": {
		shows: `postStart hangs: the Pod is not Ready while it runs (${HANG_SECONDS} s), and its deletion waits for the hook`,
		fromMinor: 17,
		spec: ({ busybox }) => ({
			terminationGracePeriodSeconds: 3,
			containers: [mainContainer(busybox, { lifecycle: { postStart: exec(`sleep ${HANG_SECONDS}`) } })],
		}),
		settled: "ContainerCreating|PodInitializing",
		expected: { "ready-after-poststart": "PASS" },
		events: ["Started"],
	},
	"force-delete": {
		shows: "deleted with grace period 0 and force: the API forgets the Pod at once",
		fromMinor: 17,
		spec: ({ busybox }) => ({ terminationGracePeriodSeconds: 10, containers: [mainContainer(busybox, { lifecycle: { preStop: exec("sleep 1") } })] }),
		settled: "1/1 +Running",
		deleteOptions: ["--grace-period=0", "--force"],
		// Run all the same in the lab with 1.29.15, with the Pod's own grace period: nobody promises either.
		expected: { "grace-includes-prestop": "NOT GUARANTEED", "hooks-at-least-once": "NOT GUARANTEED" },
		events: [],
	},
	"main-ends": {
		shows: "the main container ends by itself: preStop is not run",
		fromMinor: 17,
		spec: ({ busybox }) => ({ restartPolicy: "Never", containers: [mainContainer(busybox, { command: sh("sleep 1"), lifecycle: { preStop: exec("true") } })] }),
		settled: "Completed",
		expected: { "prestop-before-term": "NOT OBSERVED", "hooks-at-least-once": "NOT OBSERVED" },
		events: ["Started"],
	},
	"init-fails": {
		shows: "an init container fails: it is tried again and again, the main container never starts",
		fromMinor: 17,
		spec: ({ busybox }) => ({
			terminationGracePeriodSeconds: 3,
			initContainers: [mainContainer(busybox, { name: "init", command: sh("exit 1") })],
			containers: [mainContainer(busybox)],
		}),
		settled: "Init:(CrashLoopBackOff|Error)",
		expected: { "init-order": "PASS" },
		events: ["BackOff"],
	},
	"no-shell": {
		shows: "an image without a shell: an exec hook can't run, and its container is killed",
		fromMinor: 17,
		spec: ({ pause }) => ({
			terminationGracePeriodSeconds: 3,
			containers: [{ name: "main", image: pause, imagePullPolicy: "IfNotPresent", lifecycle: { postStart: exec("true") } }],
		}),
		settled: "PostStartHookError|CrashLoopBackOff",
		expected: { "poststart-failure": "PASS" },
		events: ["FailedPostStartHook"],
	},
	"no-shell-http": {
		shows: "a hook that needs no shell: the kubelet makes an HTTP request",
		fromMinor: 17,
		spec: ({ nginx }) => ({
			terminationGracePeriodSeconds: 10,
			containers: [
				{
					name: "main",
					image: nginx,
					imagePullPolicy: "IfNotPresent",
					// Its log goes to stdout, as in the official image: there the recorder finds the kubelet's request.
					command: sh(LOGGING_NGINX),
					lifecycle: { preStop: { httpGet: { path: "/", port: 80 } } },
				},
			],
		}),
		settled: "1/1 +Running",
		// In which order with SIGTERM depends on when the server logs it.
		expected: { "hooks-at-least-once": "PASS" },
		events: ["Killing"],
	},
	"no-shell-sleep": {
		shows: "a hook that needs no shell: the kubelet itself sleeps",
		fromMinor: 30,
		gate: { name: "PodLifecycleSleepAction", fromMinor: 29 }, // alpha (KEP-3960)
		spec: ({ pause }) => ({
			terminationGracePeriodSeconds: 10,
			containers: [{ name: "main", image: pause, imagePullPolicy: "IfNotPresent", lifecycle: { preStop: { sleep: { seconds: 2 } } } }],
		}),
		settled: "1/1 +Running",
		expected: { "prestop-before-term": "PASS", "grace-includes-prestop": "PASS", "hooks-at-least-once": "PASS" },
		events: ["Killing"],
	},
	sidecar: {
		shows: "two init containers and two sidecars: in order up, in the reverse order down",
		fromMinor: 29,
		spec: ({ busybox }) => ({
			terminationGracePeriodSeconds: 10,
			initContainers: [
				mainContainer(busybox, { name: "init-one", command: sh("sleep 0.2") }),
				mainContainer(busybox, { name: "sidecar-one", restartPolicy: "Always" }),
				mainContainer(busybox, { name: "sidecar-two", restartPolicy: "Always" }),
				mainContainer(busybox, { name: "init-two", command: sh("sleep 0.2") }),
			],
			containers: [mainContainer(busybox)],
		}),
		settled: "3/3 +Running",
		expected: { "init-order": "PASS", "sidecar-order": "PASS" },
		events: ["Killing"],
	},
	"sigterm-ignored": {
		shows: "the process ignores SIGTERM: SIGKILL at the end of the grace period",
		fromMinor: 17,
		spec: ({ busybox }) => ({
			terminationGracePeriodSeconds: 4,
			containers: [mainContainer(busybox, { command: sh("trap '' TERM; while :; do sleep 1; done") })],
		}),
		settled: "1/1 +Running",
		expected: { "kill-at-grace-end": "PASS" },
		events: ["Killing"],
	},
	"two-containers": {
		shows: "two containers with hooks: postStart one after the other, preStop side by side",
		fromMinor: 17,
		spec: ({ busybox }) => ({
			terminationGracePeriodSeconds: 10,
			containers: ["one", "two"].map((name) => mainContainer(busybox, { name, lifecycle: { postStart: exec("sleep 1"), preStop: exec("sleep 1") } })),
		}),
		settled: "2/2 +Running",
		expected: { "ready-after-poststart": "PASS", "prestop-before-term": "PASS", "hooks-at-least-once": "PASS", "grace-includes-prestop": "PASS" },
		events: ["Killing"],
	},
} as const satisfies Record<ScenarioName, Scenario>;

/** The Pod of a scenario: named like it, found by the label `lifecycle`. */
export function scenarioPod(name: ScenarioName, images: Images) {
	const scenario: Scenario = SCENARIOS[name];
	return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", labels: { lifecycle: name } }, spec: scenario.spec(images) };
}
/** Why a release can't show it; undefined where it can. */
export function refusal(name: ScenarioName, release: { version: string; minor: number }, gates: Readonly<Record<string, boolean>> = {}): string | undefined {
	const { fromMinor, gate }: Scenario = SCENARIOS[name];
	if (release.minor >= fromMinor || (gate && release.minor >= gate.fromMinor && gates[gate.name])) return undefined;
	const early = gate ? `, or 1.${gate.fromMinor} with featureGates: {${gate.name}: true}` : "";
	return `needs Kubernetes 1.${fromMinor}${early}; this cluster has ${release.version}`;
}
