// The rules of the policy pack, pure: a resource in, what is wrong with it out.
import { compareVersions, LAST_KERNEL_310 } from "../config/releases.ts";

export interface Resource {
	type: string;
	name: string;
	// biome-ignore lint/suspicious/noExplicitAny: whatever the resource takes
	props: Record<string, any>;
}
export interface Options {
	/** Folders, each with what is below it, or single files, that a Pod may see of its host. */
	allowedHostPaths: string[];
}
interface Rule<In extends unknown[]> {
	name: string;
	description: string;
	broken: (...args: In) => string[];
}

const COMMAND = /^command:remote:/;
const STEP = "host:index:Step";

function connections({ type, props }: Resource): { where: string; hostKey?: string }[] {
	if (type === "pulumi:providers:host") {
		const hosts = typeof props.hosts === "string" ? JSON.parse(props.hosts) : props.hosts;
		const bastion = typeof props.bastion === "string" ? JSON.parse(props.bastion) : props.bastion;
		return [...Object.entries(hosts ?? {}).map(([name, host]) => [`hosts.${name}`, host]), ...(bastion ? [["bastion", bastion]] : [])].map(([where, host]) => ({
			where,
			hostKey: (host as { hostKey?: string } | null)?.hostKey,
		}));
	}
	if (!COMMAND.test(type) || !props.connection) return [];
	const { connection } = props;
	const all = [{ where: "connection", ends: connection }, ...(connection.proxy ? [{ where: "connection.proxy", ends: connection.proxy }] : [])];
	// Of a connection that is not known yet, the official plugin makes one with an empty host and the defaults, and no key.
	return all.filter(({ ends }) => knownProperty(ends, "host") !== "").map(({ where, ends }) => ({ where, hostKey: ends.hostKey }));
}

interface PodSpec {
	volumes?: { name: string; hostPath?: { path: string } }[];
	containers?: { name: string; image?: string }[];
	initContainers?: { name: string; image?: string }[];
}
function kubernetesKind({ type }: Resource): string {
	return type.startsWith("kubernetes:") ? (type.split(":").at(-1) ?? "").replace(/Patch$/, "") : "";
}
function podSpecIn(resource: Resource): PodSpec | undefined {
	const { props } = resource;
	switch (kubernetesKind(resource)) {
		case "":
			return undefined;
		case "Pod":
			return props.spec;
		case "PodTemplate":
			return props.template?.spec;
		case "CronJob":
			return props.spec?.jobTemplate?.spec?.template?.spec;
		default:
			return props.spec?.template?.spec;
	}
}
/** Folders of a host that a Pod sees by it. */
function hostFolders(resource: Resource): { where: string; path: string }[] {
	if (kubernetesKind(resource) === "PersistentVolume") {
		const { hostPath, local } = resource.props.spec ?? {};
		return [hostPath, local].filter((source) => source).map(({ path }) => ({ where: "the volume", path }));
	}
	return (podSpecIn(resource)?.volumes ?? []).flatMap(({ name, hostPath }) => (hostPath ? [{ where: `volume ${name}`, path: hostPath.path }] : []));
}

/** Whether `path` is one of the allowed or below it. A path that leaves its folder again is none. */
export function isAllowedPath(path: string, allowed: string[]): boolean {
	if (path.split("/").includes("..")) return false;
	const clean = `${path.replace(/\/+$/, "").replaceAll(/\/+/g, "/")}/`;
	return allowed.some((folder) => clean.startsWith(`${folder.replace(/\/+$/, "")}/`));
}

/** A tag that says which, or a digest. */
export function isPinnedImage(image: string): boolean {
	if (/@sha256:[0-9a-f]{64}$/.test(image)) return true;
	const tag = image.slice(image.lastIndexOf("/") + 1).split(":")[1];
	return tag !== undefined && tag !== "" && tag !== "latest";
}

const SECRETS: [RegExp, string][] = [
	[/-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a private key"],
	[/\bclient-key-data:\s*\S/, "a kubeconfig"],
	[/(?<![a-z0-9.])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9.])/, "a join token"],
];
/** A property; undefined where a preview does not know it yet: reading that throws, which would end the rule. */
function knownProperty(values: object, name: string): unknown {
	try {
		return (values as Record<string, unknown>)[name];
	} catch {
		return undefined;
	}
}
/** Names of the secrets in a value, however deep. */
export function secretsIn(value: unknown): string[] {
	if (typeof value === "string") return SECRETS.filter(([pattern]) => pattern.test(value)).map(([, what]) => what);
	if (typeof value !== "object" || value === null) return [];
	return [...new Set(Object.keys(value).flatMap((name) => secretsIn(knownProperty(value, name))))];
}

/** Outputs that are meant to be secret. A policy sees the value of a secret output as plain text, so they are left out by name. */
const SECRET_OUTPUTS = ["kubeconfig", "demoKubeconfig"];
const preflights = (resources: Resource[]) => resources.filter(({ type, props }) => type === STEP && props.step === "preflight");

export const RULES: Rule<[Resource, Options]>[] = [
	{
		name: "host-key",
		description: "Every SSH connection pins the key of its host.",
		broken: (resource) =>
			connections(resource)
				.filter(({ hostKey }) => !hostKey)
				.map(({ where }) => `${where}: no hostKey. Add it: npm run trust`),
	},
	{
		name: "host-path",
		description: "Pods see no folder of a host but the allowed ones.",
		broken: (resource, { allowedHostPaths }) =>
			hostFolders(resource)
				.filter(({ path }) => !isAllowedPath(path, allowedHostPaths))
				.map(({ where, path }) => `${where}: hostPath ${path} is outside ${allowedHostPaths.join(", ")}`),
	},
	{
		name: "no-kernel-override",
		description: "No host is let through by allowUnsupportedKernel.",
		broken: ({ type, props }) => {
			const { RELEASE_MINOR: minor, KERNEL_OVERRIDE: isOverridden } = props.settings ?? {};
			if (type !== STEP || props.step !== "preflight" || isOverridden !== true || Number(minor) <= LAST_KERNEL_310) return [];
			return [
				`Kubernetes 1.${minor} with allowUnsupportedKernel: choose an older kubernetesVersion, or a host with Linux 4.19 or newer, and take the setting away`,
			];
		},
	},
	{
		name: "no-rebuild",
		description: "Another version of Kubernetes does not end what runs on the cluster.",
		broken: ({ type, props }) => {
			if (type !== STEP || props.step !== "preflight" || props.settings?.ROLE !== "control-plane" || props.settings.UPGRADES !== false) return [];
			return ["onVersionChange is rebuild: another kubernetesVersion would make the cluster anew, and all that runs on it would be gone. Set it to upgrade"];
		},
	},
	{
		name: "pinned-versions",
		description: "Packages of the cluster and images have a version.",
		broken: (resource) => {
			const packages: string[] = resource.type === STEP ? (resource.props.settings?.PACKAGES ?? []) : [];
			const spec = podSpecIn(resource);
			const images = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
			return [
				...packages.filter((name) => !/-\d[^-]*$/.test(name)).map((name) => `package ${name}: no version. Write ${name}-<version>`),
				...images
					.filter(({ image }) => image && !isPinnedImage(image))
					.map(({ name, image }) => `container ${name}: image ${image} has no fixed tag. Write one, or a digest`),
			];
		},
	},
	{
		name: "no-plain-secret",
		description: "No private key, kubeconfig or token where it is shown.",
		broken: ({ type, props }) => {
			const shown = type === STEP ? ["settings"] : COMMAND.test(type) ? ["create", "update", "delete", "environment", "triggers"] : [];
			return shown.flatMap((name) => secretsIn(knownProperty(props, name)).map((what) => `${name} holds ${what}. Send it by stdin, as a secret`));
		},
	},
];

export const stackRules: Rule<[Resource[]]>[] = [
	{
		name: "odd-control-planes",
		description: "The number of control planes is odd, or half of them can't outvote the other half.",
		broken: (resources) => {
			const roles = preflights(resources).map(({ props }) => props.settings?.ROLE);
			const count = roles.filter((role) => role === "control-plane").length;
			return roles.length === 0 || count % 2 === 1 ? [] : [`found ${count} control planes, expected an odd number`];
		},
	},
	{
		// By what preflight found; a preview of new hosts does not have it yet.
		name: "release-goes-with-kernel",
		description: "No host runs a release that its kernel is too old for.",
		broken: (resources) =>
			preflights(resources).flatMap(({ props }) => {
				const kernel = /^kernel=(.*)$/m.exec(String(knownProperty(props, "printed")))?.[1];
				const needed = Number(props.settings?.RELEASE_MINOR) <= LAST_KERNEL_310 ? "3.10" : "4.19";
				if (kernel === undefined || compareVersions(kernel, needed) >= 0) return [];
				return [
					`${props.host} has Linux ${kernel}, and Kubernetes 1.${props.settings?.RELEASE_MINOR} needs ${needed}. Choose an older kubernetesVersion, or another host`,
				];
			}),
	},
	{
		// Outputs, which a rule for one resource does not get. What a command with logging none prints is told nowhere, and may be secret: the kubeconfig is.
		name: "no-secret-printed",
		description: "No step and no command prints a private key, a kubeconfig or a token where it is shown.",
		broken: (resources) =>
			resources.flatMap(({ type, name, props }) => {
				const shown = type === STEP ? ["printed"] : COMMAND.test(type) && props.logging !== "none" ? ["stdout", "stderr"] : [];
				return shown.flatMap((output) =>
					secretsIn(knownProperty(props, output)).map((what) => `${name}: ${output} holds ${what}. Print it nowhere, or in a command with isSecret`),
				);
			}),
	},
	{
		name: "no-secret-output",
		description: "No output but a kubeconfig holds a private key, a kubeconfig or a token.",
		broken: (resources) =>
			resources
				.filter(({ type }) => type === "pulumi:pulumi:Stack")
				.flatMap(({ props }) =>
					Object.keys(props)
						.filter((name) => !SECRET_OUTPUTS.includes(name))
						.flatMap((name) => secretsIn(knownProperty(props, name)).map((what) => `output ${name} holds ${what}. Make it pulumi.secret`)),
				),
	},
];
