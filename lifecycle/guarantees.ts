// What Kubernetes promises about a Pod's life, each with the documentation it is from. The sentences are short paraphrases; pages as of Kubernetes 1.29.
export type GuaranteeId =
	| "init-order"
	| "poststart-after-created"
	| "poststart-entrypoint"
	| "ready-after-poststart"
	| "poststart-failure"
	| "prestop-before-term"
	| "grace-includes-prestop"
	| "kill-at-grace-end"
	| "hooks-at-least-once"
	| "sidecar-order"
	| "hostpath-outlives";

export interface Guarantee {
	id: GuaranteeId;
	/** As a table's row. */
	title: string;
	/** What the documentation says, in other words. */
	says: string;
	/** Title of the page and its section. */
	page: string;
	url: string;
}

const HOOKS = { page: "Container Lifecycle Hooks", url: "https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/" };
const LIFECYCLE = { page: "Pod Lifecycle", url: "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/" };
const INIT = { page: "Init Containers", url: "https://kubernetes.io/docs/concepts/workloads/pods/init-containers/" };
const SIDECARS = { page: "Sidecar Containers", url: "https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/" };
const VOLUMES = { page: "Volumes, hostPath", url: "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath" };

export const GUARANTEES: readonly Guarantee[] = [
	{
		id: "init-order",
		title: "init containers one after another, all before the main containers",
		says: "Each init container must succeed before the next one starts, and all of them before any app container.",
		...INIT,
	},
	{
		id: "poststart-after-created",
		title: "postStart after the container's creation",
		says: "postStart runs right after a container is created.",
		...HOOKS,
	},
	{
		id: "poststart-entrypoint",
		title: "postStart against the entry point",
		says: "Nothing promises that postStart runs before the container's entry point; the two go side by side.",
		...HOOKS,
	},
	{
		id: "ready-after-poststart",
		title: "Ready only after postStart",
		says: "A container counts as running only when its postStart hook has ended, so a Pod can't be Ready before.",
		...HOOKS,
	},
	{
		id: "poststart-failure",
		title: "a failed postStart kills the container",
		says: "When a hook fails, the container is killed; what follows is the restart policy's.",
		...HOOKS,
	},
	{
		id: "prestop-before-term",
		title: "preStop ends before SIGTERM",
		says: "preStop must have ended before the signal that stops the container is sent.",
		...HOOKS,
	},
	{
		id: "grace-includes-prestop",
		title: "the grace period includes preStop",
		says: "The grace period counts from before preStop: what the hook takes, the process lacks; a hook that outlasts it gets 2 s for the process.",
		...LIFECYCLE,
	},
	{
		id: "kill-at-grace-end",
		title: "SIGKILL at the end of the grace period",
		says: "Processes that still run when the grace period is over are killed.",
		...LIFECYCLE,
	},
	{
		id: "hooks-at-least-once",
		title: "hooks run at least once",
		says: "A hook is delivered at least once for its event, so it may run more than once.",
		...HOOKS,
	},
	{
		id: "sidecar-order",
		title: "sidecars start before and stop after the main containers",
		says: "Sidecars start in their order before the app containers, and are stopped in the reverse order after them.",
		...SIDECARS,
	},
	{
		id: "hostpath-outlives",
		title: "what is in a hostPath outlives the Pod",
		says: "A hostPath is a folder of the node: it is not removed with the Pod.",
		...VOLUMES,
	},
];
