// The guarantees: what Kubernetes promises about a Pod's lifecycle, each with the sentence of its documentation (CC BY 4.0) that says so; pages as of Kubernetes 1.29.
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
	/** The sentence of the documentation. */
	says: string;
	/** Title of the page and its section. */
	page: string;
	url: string;
}

const HOOKS = { page: "Container Lifecycle Hooks", url: "https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/" };
const LIFECYCLE = { page: "Pod Lifecycle", url: "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/" };
const INIT = { page: "Init Containers", url: "https://kubernetes.io/docs/concepts/workloads/pods/init-containers/" };
// What it says of a hostPath implies the guarantee; it is not said in so many words.
const VOLUMES = { page: "Volumes, hostPath (implies it)", url: "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath" };

export const GUARANTEES: readonly Guarantee[] = [
	{
		id: "init-order",
		title: "init containers one after another, all before the main containers",
		says: "Each init container must complete successfully before the next one starts.",
		...INIT,
	},
	{
		id: "poststart-after-created",
		title: "postStart after the container's creation",
		says: "This hook is executed immediately after a container is created.",
		...HOOKS,
	},
	{
		id: "poststart-entrypoint",
		title: "postStart against the entry point",
		says: "However, there is no guarantee that the hook will execute before the container ENTRYPOINT.",
		...HOOKS,
	},
	{
		id: "ready-after-poststart",
		title: "Ready only after postStart",
		says: "However, if the hook takes too long to run or hangs, the Container cannot reach a running state.",
		...HOOKS,
	},
	{
		id: "poststart-failure",
		title: "a failed postStart kills the container",
		says: "If either a PostStart or PreStop hook fails, it kills the Container.",
		...HOOKS,
	},
	{
		id: "prestop-before-term",
		title: "preStop ends before SIGTERM",
		says: "[...] the hook must complete before the TERM signal to stop the container can be sent.",
		...HOOKS,
	},
	{
		id: "grace-includes-prestop",
		title: "the grace period includes preStop",
		says: "The Pod's termination grace period countdown begins before the PreStop hook is executed [...].",
		...HOOKS,
	},
	{
		id: "kill-at-grace-end",
		title: "SIGKILL at the end of the grace period",
		says: "The container runtime sends SIGKILL to any processes still running in any container in the Pod.",
		...LIFECYCLE,
	},
	{
		id: "hooks-at-least-once",
		title: "hooks run at least once",
		says: "Hook delivery is intended to be at least once, which means that a hook may be called multiple times for any given event [...].",
		...HOOKS,
	},
	{
		id: "sidecar-order",
		title: "sidecars start before and stop after the main containers",
		says: "The sidecar containers will be terminated in the reverse order they are defined in the Pod spec.",
		...LIFECYCLE,
	},
	{
		id: "hostpath-outlives",
		title: "what is in a hostPath outlives the Pod",
		says: "A hostPath volume mounts a file or directory from the host node's filesystem into your Pod.",
		...VOLUMES,
	},
];
