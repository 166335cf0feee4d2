// The cluster: each block of the constructor is one stage, from hosts to Nodes, that needs only the stages above it.
import type { Command } from "@pulumi/command/remote/command.js";
import type { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { assignNodePodCidrs } from "../config/pod-cidr.ts";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import { scriptName } from "../provider/shell.ts";
import { ControlPlane, rebuiltBy, unusedSteps } from "./control-plane.ts";
import { Flannel } from "./flannel.ts";
import { Host, hostsBlock, preflight, upgradeSources } from "./host.ts";
import { ChangeCosts, type Cost, HostConnections, HostRecording, type HostRecordingArgs } from "./host-provider.ts";
import { configurationSettings, firstControlPlane, pauseImage } from "./kubeadm.ts";
import { Member } from "./member.ts";
import { nodeStates } from "./node.ts";
import { Places } from "./places.ts";
import { type ActArgs, type HostState, hostAct, hostState, printed, type StateArgs, type StepOptions } from "./step.ts";
import { stepName, stepScript, stepsIn } from "./step-text.ts";

export interface ClusterArgs extends ClusterSettings {
	/** Images that workloads will need, pulled on the workers while the control plane starts. Default none. */
	workloadImages?: string[];
	/** Folder with steps of workloads, beside the cluster's own. Default none. */
	workloadSteps?: URL;
}

export interface Node {
	name: string;
	role: HostSpec["role"];
	address: string;
	externalAddress?: string;
	/** The kubelet's, such as v1.29.15. */
	version: string;
}

/**
 * A kubeadm cluster with flannel on the hosts of `args`. `name` and the first control plane's address tell it from any other cluster:
 * a host that is part of another one is refused.
 */
export class Cluster extends pulumi.ComponentResource {
	/** admin.conf, a secret. */
	readonly kubeconfig: pulumi.Output<string>;
	readonly nodes: pulumi.Output<Node[]>;
	/** For every Kubernetes resource on this cluster. */
	readonly provider: Provider;
	/** Where the cluster began. */
	readonly controlPlane: ControlPlane;
	/** Those that joined it, in their order. */
	readonly otherControlPlanes: Member[];
	readonly flannel: Flannel;
	readonly workers: Member[];
	/** What a Pod must wait for: flannel runs on every worker. */
	readonly ready: pulumi.Resource[];
	readonly #args: ClusterArgs;
	readonly #connections: HostConnections;
	readonly #configured: pulumi.Resource[];

	constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:cluster:Cluster", name, {}, opts);
		this.#args = args;
		const child = { parent: this };
		const clusterId = `${name}-${firstControlPlane(args).address}`;
		const nodePodCidrs = args.podCidrs === "program" ? assignNodePodCidrs(args) : {};
		const nodePodCidrOf = (host: Host) => nodePodCidrs[host.name] ?? "";

		const unused = unusedSteps(args);
		const folders = [new URL("./steps/", import.meta.url), ...(args.workloadSteps ? [args.workloadSteps] : [])];
		const steps = folders.flatMap(stepsIn).filter((step) => !unused.includes(stepName(step)));
		const scripts = steps.map((step) => scriptName(stepName(step), stepScript(step)));
		// Its name is not the stack's: so a stack that was renamed finds it in its state, and is told what to do instead of being made anew.
		this.#connections = new HostConnections(
			"hosts",
			{ ...args, steps, shared: { HOSTS_BLOCK: hostsBlock(args), ...upgradeSources(args) } },
			{ ...child, aliases: [{ name: `${name}-hosts` }] },
		);
		const connections = this.#connections;
		const preflights = args.hosts.map((spec) => preflight(`${name}-${spec.name}`, { spec, cluster: args, clusterId, connections }, this));
		const prepared = (spec: HostSpec) =>
			new Host(`${name}-${spec.name}`, { spec, cluster: args, clusterId, preflights, connections, scripts, workloadImages: args.workloadImages }, child);
		const first = firstControlPlane(args);
		const controlPlaneHost = prepared(first);
		const joining = args.hosts.filter((spec) => spec !== first).map(prepared);

		this.#configured = controlPlaneHost.configured;
		this.controlPlane = new ControlPlane(
			`${name}-control-plane`,
			{ host: controlPlaneHost, cluster: args, clusterId, nodePodCidr: nodePodCidrOf(controlPlaneHost), connections },
			child,
		);
		this.flannel = new Flannel(`${name}-flannel`, { controlPlane: this.controlPlane, cluster: args }, child);
		const places = new Places(args.joinsAtOnce);
		const upgrades = new Places(args.upgrade.batch);
		const { controlPlane } = this;
		const memberOf = (host: Host, after: pulumi.Resource[]) =>
			new Member(
				`${name}-${host.name}-${host.spec.role}`,
				{ host, controlPlane, after, connections, cluster: args, clusterId, nodePodCidr: nodePodCidrOf(host), places, upgrades },
				child,
			);
		const stateOf = (spec: HostSpec, member: pulumi.Resource, after: pulumi.Resource[]) =>
			nodeStates(`${name}-${spec.name}`, { spec, cluster: args, clusterId, controlPlane, flannel: this.flannel, member, connections, after }, this);
		// The second state of each Node asks an API server, which a repair by the first state of a control plane may restart.
		let states = stateOf(first, controlPlane.init, []);
		const apiServers = states.slice(0, 1);
		// One after the other: etcd takes one new member at a time, and gives one up at a time; and what restarts one of them waits for the one before.
		this.otherControlPlanes = [];
		for (const host of joining.filter(({ spec }) => spec.role === "control-plane")) {
			const member = memberOf(host, states);
			states = stateOf(host.spec, member.join, this.otherControlPlanes.length === 0 ? apiServers : states);
			apiServers.push(...states.slice(0, 1));
			this.otherControlPlanes.push(member);
		}
		const joins = this.otherControlPlanes.map(({ join }) => join); // a kubelet must not be newer than an API server
		this.workers = joining.filter(({ spec }) => spec.role === "worker").map((host) => memberOf(host, joins));
		// Both states of each: a Pod that goes in the same run as its Node is gone before the drain, which would refuse one that nothing makes anew.
		this.ready = [this.flannel, ...this.workers.flatMap(({ host, join }) => stateOf(host, join, apiServers))];

		new ChangeCosts(`${name}-costs`, costs(args), { ...child, provider: connections, dependsOn: this.controlPlane.init });
		const upgraded = [this.controlPlane.init, ...joins, ...this.workers.map(({ join }) => join)];
		new ChangeCosts(`${name}-upgrade-costs`, upgradeCosts(args), { ...child, provider: connections, dependsOn: upgraded });
		this.provider = this.controlPlane.provider;
		this.kubeconfig = this.controlPlane.kubeconfig;
		const members = [
			{ spec: controlPlaneHost.spec, version: this.controlPlane.version },
			...[...this.otherControlPlanes, ...this.workers].map(({ host, version }) => ({ spec: host, version })),
		];
		this.nodes = pulumi.all(members.map(({ version }) => version)).apply((versions) => members.map(({ spec }, i) => nodeOf(spec, versions[i] ?? "")));
		this.registerOutputs({ kubeconfig: this.kubeconfig, nodes: this.nodes });
	}

	/** Of Kubernetes. */
	get release(): ClusterSettings["release"] {
		return this.#args.release;
	}

	/** Kubernetes' feature gates that the stack sets. */
	get featureGates(): Readonly<Record<string, boolean>> {
		return this.#args.kubeadm.featureGates;
	}

	get runtimeKind(): ClusterSettings["runtime"]["kind"] {
		return this.#args.runtime.kind;
	}

	/** Setting -> value: another one of any ends all that runs on it. */
	get rebuiltBy(): Readonly<Record<string, string>> {
		return rebuiltBy(this.#args);
	}

	/** What every Pod's sandbox runs. */
	get pauseImage(): string {
		return pauseImage(this.#args);
	}

	/** What an act's script printed, as plain text. */
	printed(act: Command): pulumi.Output<string> {
		return printed(act);
	}

	/** Done once on one of this cluster's hosts (step.ts). */
	act(name: string, args: Omit<ActArgs, "ssh">, opts: StepOptions): Command {
		const owner = pulumi.output(args.host).apply((host) => this.#connections.ownerOn(host.name));
		const settings = args.undo === false ? args.settings : { ...args.settings, OWNER: owner };
		return hostAct(name, { ...args, settings, ssh: this.#args.ssh }, opts);
	}

	/** A state to keep on one of them: read in each preview, and taken back at its deletion. */
	state(name: string, args: StateArgs, opts: StepOptions): HostState {
		return hostState(name, args, { ...opts, provider: this.#connections });
	}

	/** At its deletion, while the hosts leave the cluster, it shows a summary of what their recorders wrote. */
	recording(name: string, args: Omit<HostRecordingArgs, "hosts">, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource }): HostRecording {
		return new HostRecording(name, { ...args, hosts: this.#args.hosts }, { ...opts, dependsOn: this.#configured, provider: this.#connections });
	}

	/** Says in each preview what a change costs, until what it depends on is done. */
	costs(name: string, costs: Record<string, Cost>, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource }): ChangeCosts {
		return new ChangeCosts(name, costs, { ...opts, provider: this.#connections });
	}

	/** The host that a Node runs on. Throws for a Node that is none of this cluster's. */
	hostOf(node: string): HostSpec {
		const host = this.#args.hosts.find((candidate) => candidate.name === node);
		if (host) return host;
		const names = this.#args.hosts.map((candidate) => candidate.name).join(", ");
		throw new Error(
			`Node ${node} is none of this cluster's hosts: ${names}. To take a host out that Pods run on, first: kubectl drain ${node} --ignore-daemonsets --force; pulumi refresh`,
		);
	}
}

/** What a preview says before a change that ends more than it changes: until the control plane is made anew. */
export function costs(settings: ClusterSettings): Record<string, Cost> {
	const changed = "This rebuilds the cluster: all that runs on it is gone.";
	const gone = "This removes a Node: the Pods on it end, and the host is given back.";
	const first = firstControlPlane(settings);
	return Object.fromEntries([
		["kubernetesVersion", { value: settings.release.version }], // for a stack that is told to rebuild in the same change
		...Object.entries(rebuiltBy(settings)).map(([key, value]) => [key, { value, changed }]),
		...settings.hosts.filter((host) => host !== first).map(({ name }) => [name, { value: "", gone }]),
	]);
}
/** What it says before a change that is brought to the cluster in place: until every host has it. */
export function upgradeCosts(settings: ClusterSettings): Record<string, Cost> {
	const { inPlace, batch } = settings.upgrade;
	const upgraded = `This upgrades the cluster in place: the control plane, then the workers, ${batch === 1 ? "one by one" : `${batch} at once`}, each drained before. Pods that no controller makes again end, and what is in an emptyDir is gone.`;
	const applied =
		"This applies the cluster's configuration in place, the control plane first, after a snapshot of etcd: its static Pods and every kubelet start anew where it concerns them. Pods run on: no Node is drained for it. With one control plane the API is away meanwhile.";
	return {
		kubernetesVersion: { value: settings.release.version, ...(inPlace ? { changed: upgraded, looks: "yes" } : {}) },
		configuration: { value: configurationSettings(settings), ...(inPlace ? { changed: applied } : {}) },
	};
}

function nodeOf({ name, role, address, externalAddress }: HostSpec, version: string): Node {
	return { name, role, address, ...(externalAddress === undefined ? {} : { externalAddress }), version };
}
