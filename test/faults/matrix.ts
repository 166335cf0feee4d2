// What can happen to a run, and when: every fault at every moment of an `up`, of a change, of an `up` with a worker less and of a `destroy`.
import { LabHost } from "./host.ts";

/** `fewer`: an `up` of a stack with one worker less. */
export type Verb = "up" | "change" | "fewer" | "destroy";
export interface Moment {
	verb: Verb;
	/** The resource that is at work then. */
	resource: string;
	/** What has just happened. */
	what: string;
	/** The host that it happens on; none where nothing runs on any. */
	host?: LabHost;
	/** Whether it has; `output` is what the run has printed. */
	isReached: (output: string) => boolean;
	/** Its script ends in less time than a fault takes: where the run then ends well nothing was hit. */
	isShort?: boolean;
}
/** Command line of the provider whose resource that is: a killed provider is the one that is at work. */
export function providerOf({ resource }: Moment): RegExp {
	if (/-(daemon-set|pod)$/.test(resource)) return /pulumi-resource-kubernetes/;
	return /-(images|init|worker-join|message|api-recording)$/.test(resource) ? /pulumi-resource-command|command-plugin\.ts/ : /provider\/main\.ts/;
}
export const FAULTS = ["engine killed", "Ctrl-C", "provider killed", "program killed", "script killed", "cable out", "power off"] as const;
export type Fault = (typeof FAULTS)[number];
export interface Case {
	moment: Moment;
	fault: Fault;
	/** What is run next, and makes the hosts whole: the same again, or the other way, which people go too. */
	wholeBy: "up" | "destroy";
}

const master = new LabHost("k8s-master");
const worker = new LabHost("k8s-node01");
/** The one that goes. */
const leaving = new LabHost("k8s-node02");
const DOING = { up: "creating", change: "updating", fewer: "deleting", destroy: "deleting" };

const said = (verb: Verb, resource: string, host?: LabHost): Moment => ({
	verb,
	resource,
	what: `${resource} has begun`,
	host,
	isReached: (output) => output.includes(`${resource} ${DOING[verb]}`),
});
const file = (verb: Verb, resource: string, host: LabHost, path: string): Moment => ({
	verb,
	resource,
	what: `${path} is there`,
	host,
	isReached: (output) => output.includes(`${resource} ${DOING[verb]}`) && host.has(path),
});
const gone = (verb: Verb, resource: string, host: LabHost, path: string): Moment => ({
	verb,
	resource,
	what: `${path} is gone`,
	host,
	isReached: (output) => output.includes(`${resource} ${DOING[verb]}`) && !host.has(path),
});
const runs = (verb: Verb, resource: string, host: LabHost, command: RegExp, name: string): Moment => ({
	verb,
	resource,
	what: `${name} runs`,
	host,
	isReached: (output) => output.includes(`${resource} ${DOING[verb]}`) && host.running(command).length > 0,
});

const RECORDS = "/var/lib/kubeadm-lab";
export const MOMENTS: Moment[] = [
	said("up", "lab-k8s-node01-preflight", worker),
	file("up", "lab-k8s-node01-scripts", worker, RECORDS),
	file("up", "lab-k8s-node01-identity", worker, `${RECORDS}/identity`),
	runs("up", "lab-k8s-node01-packages", worker, /\byum\b.* install/, "yum"),
	file("up", "lab-k8s-node01-packages", worker, "/usr/bin/kubelet"),
	file("up", "lab-k8s-node01-system", worker, `${RECORDS}/system`),
	file("up", "lab-k8s-node01-runtime", worker, `${RECORDS}/runtime`),
	runs("up", "lab-k8s-node01-images", worker, /\bcrictl\b.* pull/, "crictl pull"),
	file("up", "lab-control-plane-init", master, "/etc/kubernetes/pki/ca.crt"),
	file("up", "lab-control-plane-init", master, "/etc/kubernetes/admin.conf"),
	said("up", "lab-flannel-daemon-set"),
	file("up", "lab-k8s-node01-worker-join", worker, "/etc/kubernetes/bootstrap-kubelet.conf"),
	file("up", "lab-k8s-node01-worker-join", worker, "/etc/kubernetes/kubelet.conf"),
	{ ...said("up", "lab-control-plane-kubeconfig", master), isShort: true },
	said("up", "lab-k8s-node01-kubelet", worker),
	said("up", "lab-k8s-node01-node", master),
	said("up", "lifecycle-demo-life-k8s-node01-recorder", worker),
	said("up", "lifecycle-demo-pod"),
	said("up", "lifecycle-demo-message"), // on the Pod's host, which may be either worker
	{ ...said("up", "lifecycle-demo-life-api-recording", master), isShort: true },
	said("change", "lab-k8s-node01-system", worker),
	said("change", "lab-k8s-node01-runtime", worker),
	said("destroy", "lifecycle-demo-pod"),
	said("destroy", "lifecycle-demo-life-k8s-node01-recorder", worker),
	said("destroy", "lifecycle-demo-k8s-node01-witness", worker),
	said("destroy", "lifecycle-demo-life-told"), // of all hosts
	said("destroy", "lab-k8s-node01-node"), // on no host: where the control plane goes too, the engine leaves its undo out
	runs("destroy", "lab-k8s-node01-leave", worker, /\bkubeadm\b.* reset/, "kubeadm reset"),
	gone("destroy", "lab-k8s-node01-leave", worker, "/etc/kubernetes/kubelet.conf"),
	runs("destroy", "lab-k8s-master-leave", master, /\bkubeadm\b.* reset/, "kubeadm reset"),
	gone("destroy", "lab-k8s-master-leave", master, "/etc/kubernetes/admin.conf"),
	said("destroy", "lab-k8s-node01-runtime", worker),
	said("destroy", "lab-k8s-node01-system", worker),
	runs("destroy", "lab-k8s-node01-packages", worker, /^rpm -e (?!--test)/, "rpm"),
	said("destroy", "lab-k8s-node01-identity", worker),
	said("destroy", "lab-k8s-node01-scripts", worker),
	runs("fewer", "lab-k8s-node02-node", master, /\bkubectl\b.* drain /, "kubectl drain"),
	gone("fewer", "lab-k8s-node02-leave", leaving, "/etc/kubernetes/kubelet.conf"),
	runs("fewer", "lab-k8s-node02-packages", leaving, /^rpm -e (?!--test)/, "rpm"),
];

/** Those that only a stack with an address for the API server, snapshots of etcd and a timer for certificates has. */
export const MORE_MOMENTS: Moment[] = [
	said("up", "lab-k8s-master-endpoint", master),
	file("up", "lab-k8s-master-endpoint", master, "/etc/systemd/system/multi-user.target.wants/haproxy.service"),
	said("up", "lab-control-plane-snapshots", master),
	file("up", "lab-control-plane-snapshots", master, "/etc/systemd/system/kubeadm-lab-snapshots.timer"),
	said("up", "lab-k8s-master-renewal", master),
	said("destroy", "lab-control-plane-snapshots", master),
	said("destroy", "lab-k8s-master-renewal", master),
	said("destroy", "lab-k8s-master-endpoint", master),
];

/** Whether the fault can happen at that moment: a destroy runs no program, and where nothing runs on a host, there is none to be lost. */
export const isPossible = ({ verb, host }: Moment, fault: Fault): boolean =>
	fault === "program killed" ? verb !== "destroy" : !["script killed", "cable out", "power off"].includes(fault) || host !== undefined;

/** All cases, those of one verb in the order of their moments. Each round takes every moment once, with the next fault, and every other one goes the other way. */
export function rounds(count: number = FAULTS.length, first = 0, moments = MOMENTS): Case[] {
	return Array.from({ length: count }, (_, round) =>
		moments.flatMap((moment, i) => {
			const possible = FAULTS.filter((fault) => isPossible(moment, fault));
			const fault = possible[(i + round + first) % possible.length];
			const [same, other] = moment.verb === "destroy" ? (["destroy", "up"] as const) : (["up", "destroy"] as const);
			return fault && round < possible.length ? [{ moment, fault, wholeBy: (i + round) % 2 === 0 ? same : other }] : [];
		}),
	).flat();
}

/** A part of them for every day: so many ways there and back, without the faults that take minutes. The same seed gives the same cases. */
export function sample(seed: number, ways: number): Case[] {
	const quick = rounds().filter(({ fault }) => fault !== "cable out" && fault !== "power off");
	let state = seed;
	const next = (below: number) => {
		state = (state * 1103515245 + 12345) % 2 ** 31; // the generator of the C standard's example: any will do
		return Math.floor((state / 2 ** 31) * below);
	};
	const some = (verb: Verb, count: number) => {
		const all = quick.filter(({ moment }) => moment.verb === verb);
		return Array.from({ length: count }, () => all.splice(next(all.length), 1)).flat();
	};
	return [...some("up", ways), ...some("change", 1), ...some("destroy", ways)];
}
