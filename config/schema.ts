// Every configuration key with its type, default and rule. Pulumi.yaml repeats types and defaults for people and for `pulumi config`
// (test/unit/stack-files.test.ts holds the two together), so that the program means the same where Pulumi.yaml is not read, as in tests.
import { z } from "zod";
import { printable } from "../printable.ts";
import { contains, formatCidr, overlap, parseAddress, parseCidr, type Range, rangeAround } from "./network.ts";
import { SCENARIO_NAMES } from "./settings.ts";

/** Characters of one value: no name, address or URL is longer, and the kernel takes no longer path than 4096. */
const LONGEST = 2048;
/** One line, of which a terminal or a reader of files takes nothing for more than text. */
const isLine = (text: string) => text.length <= LONGEST && printable(text) === text && !/[\n\t]/.test(text);
const matching = (pattern: RegExp, expected: string) => z.string().refine((text) => isLine(text) && pattern.test(text), { error: expected });
/** Empty, or as the rule has it. */
const optional = <T extends z.ZodType<string>>(rule: T) =>
	z.string().superRefine((text, context) => {
		const [issue] = text === "" ? [] : (rule.safeParse(text).error?.issues ?? []);
		if (issue) context.addIssue({ code: "custom", message: issue.message });
	});
const oneOf = <const T extends string>(...values: T[]) => z.enum(values, { error: `is not one of: ${values.join(", ")}. Use one of these.` });
const count = (minimum: number, maximum: number) =>
	z
		.number()
		.int()
		.refine((number) => number >= minimum && number <= maximum, { error: `is out of range. Use ${minimum} to ${maximum}.` });

/** What must hold, and what is said where it does not. */
type Rule = [(text: string) => boolean, string | ((text: string) => string)];
/** The first rule that the text breaks says why. */
const rules = (...each: Rule[]) =>
	z.string().superRefine((text, context) => {
		const broken = each.find(([holds]) => !isLine(text) || !holds(text));
		if (broken) context.addIssue({ code: "custom", message: typeof broken[1] === "string" ? broken[1] : broken[1](text) });
	});

/** What /etc/hosts of CentOS, Debian and others has for the machine itself; and the name of every cluster's API server inside it. */
const TAKEN_NAMES =
	/^(localhost[46]?|localdomain|ip6-(localhost|loopback|localnet|mcastprefix|allnodes|allrouters|allhosts)|loopback|broadcasthost|kubernetes)$/;
const nodeName = rules(
	[(text) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text), "is not a DNS label. Use up to 63 lower-case letters, digits and dashes, such as k8s-node01."],
	[(text) => !TAKEN_NAMES.test(text), "is a name that hosts or Kubernetes have for something else. Use another, such as k8s-node01."],
	[(text) => !/^(\d+|0x[0-9a-f]*)$/.test(text), "is read as an address, not as a name. Use one with a letter, such as k8s-node01."],
);
const isOf = (text: string, ...ranges: string[]) => ranges.some((range) => contains(parseCidr(range) as Range, parseAddress(text) ?? -1));
const isAddress: Rule = [(text) => parseAddress(text) !== undefined, "is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111."];
const address = rules(
	isAddress,
	[(text) => !isOf(text, "127.0.0.0/8"), "is the host itself, from wherever you ask. Use the address you ssh to, such as 172.16.1.111."],
	[(text) => !isOf(text, "0.0.0.0/8", "224.0.0.0/3"), "is no address of one host. Use the address you ssh to, such as 172.16.1.111."],
	[(text) => !isOf(text, "169.254.0.0/16"), "is a link-local address, which a host gives itself. Use the address you ssh to, such as 172.16.1.111."],
);
const cidr = (example: string) =>
	rules(
		[
			(text) => parseCidr(text) !== undefined,
			(text) => {
				const around = rangeAround(text);
				return `is not a CIDR. Use address/prefix, such as ${around ? formatCidr(around) : example}.`;
			},
		],
		[
			(text) => !SPECIAL_RANGES.some((range) => overlap(parseCidr(range) as Range, parseCidr(text) as Range)),
			`takes in addresses that are not for hosts. Use one such as ${example}.`,
		],
	);
/** This network, the host itself, link-local, multicast and the rest up to broadcast (RFC 6890). */
const SPECIAL_RANGES = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
/** useradd's rule on CentOS 7 (shadow-utils, libmisc/chkname.c with its goodname patch); 32 letters at most. */
const userName = matching(/^(?!\d+$|\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?$/, "is not a user name. Use root, or a user that may run sudo.");
const word = matching(/^[A-Za-z][A-Za-z0-9-]*$/, "is not the name of a check. Use a name that kubeadm prints, such as NumCPU.");
const gateName = matching(/^[A-Z][A-Za-z0-9]*$/, "is not a feature gate. Use a name that Kubernetes lists, such as PodLifecycleSleepAction.");
const packageName = matching(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/, "is not a package name. Use name or name-version, such as bash-completion.");
const moduleName = matching(/^[A-Za-z0-9_][A-Za-z0-9_-]*$/, "is not a module name. Use a name that modprobe takes, such as br_netfilter.");
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;
const hostName = matching(HOST_NAME, "is not a host name or address. Use one such as ntp.aliyun.com.");
const registry = matching(/^[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?(:\d{1,5})?$/, "is not a registry. Use its host, such as docker.io.");
/** It would be in files that everybody on the hosts can read, and in the clear in the stack's state. */
const isOpen: Rule = [
	(text) => !/^\w+:\/\/[^/]*@/.test(text),
	"holds a user's name or password, which everybody on the hosts could read there. Let the server know the hosts by their addresses, and leave it out.",
];
const endpoint = rules(
	[(text) => /^https?:\/\/[^\s/"'\\]+(\/[^\s"'\\]*)?$/.test(text), "is not an endpoint. Use a URL, such as http://172.16.1.1:5000."],
	isOpen,
);
const url = rules(
	[(text) => /^(https?|ftp|file):\/\/[^\s"'\\]+$/.test(text), "is not a URL. Use one that yum reads, such as http://vault.centos.org/7.9.2009/os/$basearch/."],
	isOpen,
);
const image = matching(
	/^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9._-]+)+(:[\w.-]{1,128})?(@sha256:[0-9a-f]{64})?$/,
	"is not a full image name. Use registry/name:tag, such as docker.io/library/nginx:1.17.",
);
const imagePrefix = matching(/^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9._-]+)*$/, "is not an image repository. Use one such as registry.k8s.io.");
const folder = z
	.string()
	.refine((text) => isLine(text) && /^\/[\w.+/-]*\/$/.test(text) && text !== "/" && !text.includes("//") && !text.split("/").includes(".."), {
		error: "is not a folder. Use an absolute path with a slash at its end, such as /data/volumes/nginx/log/.",
	});
/** Whether YAML has read it as a number: 1.30 is 1.3 by the time it is here. */
export const isNumberText = (text: string): boolean => /^\d+(\.\d*)?(e[+-]?\d+)?$/i.test(text);
const version = rules([
	(text) => /^\d+\.\d+\.\d+$/.test(text),
	(text) =>
		isNumberText(text)
			? 'is a number and not a version: YAML reads 1.30 as 1.3. Use three numbers, in quotes, such as "1.6.33".'
			: "is not a version. Use three numbers, such as 1.6.33.",
]);
/** Largest number that Pulumi hands over digit by digit; of a larger one in a stack's file it keeps about 16 digits (int64 in its config package). */
const LARGEST_EXACT = 2n ** 63n - 1n;
const isExact = (number: bigint) => (number <= LARGEST_EXACT && number >= -LARGEST_EXACT) || String(number) !== String(Number(number));
const QUOTES = 'Put it in quotes, as in kernel.shmmax: "18446744073692774399".';
function sysctlFault(value: string | number | bigint): string | undefined {
	if (typeof value === "number") return Number.isSafeInteger(value) ? undefined : `is not a whole number that YAML keeps as you wrote it. ${QUOTES}`;
	if (typeof value === "bigint") return isExact(value) ? undefined : `has lost its last digits: Pulumi keeps 16 of a number so large. ${QUOTES}`;
	const text = value.trim();
	if (text === "" || /[^\t\x20-\x7e]/.test(value)) return "is not a value. Use one line of text that is not empty.";
	// The kernel takes 0x10 and 020 for 16, and shows 16 ever after.
	if (/^(0x[0-9a-f]+|0[0-7]+)$/i.test(text)) return `is ${Number(text.replace(/^0(?=[0-7])/, "0o"))} to the kernel. Use the number that it shows.`;
	return undefined;
}
const sysctlValue = z
	.union([z.string(), z.number(), z.bigint()], { error: "is not a value. Use text or a number." })
	.superRefine((value, context) => {
		const message = sysctlFault(value);
		if (message !== undefined) context.addIssue({ code: "custom", message });
	})
	.transform(String);

/** A label's or taint's key, without those that Kubernetes, the kubelet or kubeadm set themselves. */
const NAME = "[A-Za-z0-9]([\\w.-]{0,61}[A-Za-z0-9])?";
const KEY = `(?!(node|beta)?\\.?kubernetes\\.io/|node-role\\.kubernetes\\.io/(control-plane|master)\\b)([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?${NAME}`;
const labelKey = matching(new RegExp(`^${KEY}$`), "is not a label's key, or is Kubernetes' own. Use one such as disk or example.com/disk.");
const labelValue = matching(new RegExp(`^(${NAME})?$`), "is not a label's value. Use up to 63 letters, digits, dashes, dots and underscores.");
const taint = matching(
	new RegExp(`^${KEY}(=${NAME})?:(NoSchedule|PreferNoSchedule|NoExecute)$`),
	"is not a taint, or is Kubernetes' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.",
);

/** Fields of one entry of `hosts`. */
export const HOST_FIELDS = {
	name: nodeName,
	address,
	externalAddress: address.optional(),
	role: oneOf("control-plane", "worker"),
	hostKey: z.string().optional(),
	port: count(1, 65535).optional(),
	user: userName.optional(),
	labels: z.record(labelKey, labelValue).default({}),
	taints: z.array(taint).default([]),
};
/** As much of a host as is needed to reach it from here, which may be where it runs. */
export const REACH_FIELDS = { address: rules(isAddress), port: HOST_FIELDS.port, user: HOST_FIELDS.user, hostKey: HOST_FIELDS.hostKey };
/** Fields of `bastion`. */
export const BASTION_FIELDS = {
	address: matching(HOST_NAME, "is not a host name or address. Use the one you ssh to, such as bastion.example.com."),
	port: HOST_FIELDS.port,
	user: HOST_FIELDS.user,
	hostKey: HOST_FIELDS.hostKey,
};
/** Fields of one entry of `repositories`. */
export const REPOSITORY_FIELDS = {
	id: matching(/^[A-Za-z0-9][\w.-]{0,99}$/, "is not a repository id. Use letters, digits and dashes, such as base."),
	name: matching(/./, "is not a name. Use one line of text.").optional(),
	baseUrl: url,
	gpgKey: z.array(url).optional(),
	gpgCheck: z.boolean().optional(),
	repoGpgCheck: z.boolean().optional(),
	exclude: z.array(matching(/^[\w.*?+-]+$/, "is not a package pattern. Use one such as kernel*.")).optional(),
};
/** Fields of `proxy`; config/proxy.ts has their rules, so that no problem shows a password. */
export const PROXY_FIELDS = {
	http: z.string().optional(),
	https: z.string().optional(),
	noProxy: z.array(z.string()).optional(),
};
/** Fields of `etcdSnapshots`; `every` as systemd reads it. */
export const SNAPSHOT_FIELDS = {
	every: matching(/^[1-9]\d{0,3}(min|h|d)$/, "is not a time. Use a number of min, h or d, such as 6h."),
	keep: count(1, 1000),
	keepOnDestroy: z.boolean().default(false),
};
/** Fields of `apiEndpoint`. */
export const ENDPOINT_FIELDS = { address, port: count(1, 65535).default(8443) };
/** Top-level keys. `hosts`, `bastion`, `repositories`, `proxy`, `etcdSnapshots` and `apiEndpoint` are looked into by their own fields. */
export const KEYS = {
	hosts: z.array(z.record(z.string(), z.unknown())).default([]),
	nodeNetwork: optional(cidr("172.16.1.0/24")).default(""),
	sshPrivateKey: z.string().default(""),
	sshPrivateKeyFile: z.string().default(""),
	sshPrivateKeyPassphrase: z.string().default(""),
	sshAgent: z.boolean().default(false),
	sshConfig: z.boolean().default(false),
	knownHostsFile: z.string().default(""),
	sshUser: optional(userName).default(""),
	sudoPassword: z.string().default(""),
	sshPort: count(0, 65535).default(0),
	bastion: z.record(z.string(), z.unknown()).default({}),
	sshDialErrorLimit: count(1, 100).default(3),
	sshPerDialTimeoutSeconds: count(1, 300).default(10),
	kernel: rules(
		[(text) => /^\d+\.\d+[\w.+~-]*$/.test(text), "is not a kernel release. Use what uname -r prints, such as 3.10.0-1062.el7.x86_64."],
		[(text) => text !== "3.1", "is older than any CentOS: YAML reads 3.10 as 3.1. Use what uname -r prints, such as 3.10.0-1062.el7.x86_64."],
	).default("3.10.0-1062.el7.x86_64"),
	allowUnsupportedKernel: z.boolean().default(false),
	kubernetesVersion: z.string().default("1.29.15"),
	onVersionChange: oneOf("upgrade", "rebuild").default("upgrade"),
	upgradeBatch: count(1, 1000).default(1),
	apiEndpoint: z.record(z.string(), z.unknown()).default({}),
	podCidr: cidr("10.244.0.0/16").default("10.244.0.0/16"),
	serviceCidr: cidr("10.96.0.0/12").default("10.96.0.0/12"),
	podCidrs: oneOf("auto", "program", "controller-manager").default("auto"),
	containerRuntime: oneOf("containerd", "docker").default("containerd"),
	containerRuntimeVersion: optional(version).default(""),
	containerdRestrictOomScoreAdj: z.boolean().default(false),
	imageRepository: imagePrefix.default("registry.k8s.io"),
	registryMirrors: z.record(registry, z.array(endpoint)).default({}),
	repositories: z.array(z.record(z.string(), z.unknown())).default([]),
	proxy: z.record(z.string(), z.unknown()).default({}),
	extraPackages: z.array(packageName).default([]),
	removePackagesOnDestroy: z.boolean().default(true),
	hostsFile: z.boolean().default(true),
	firewalld: oneOf("disable", "keep").default("disable"),
	selinux: oneOf("permissive", "keep").default("permissive"),
	timezone: optional(matching(/^[A-Za-z][\w+-]*(\/[\w+-]+)*$/, "is not a time zone. Use one of timedatectl list-timezones, such as Asia/Shanghai.")).default(
		"",
	),
	ntpServers: z.array(hostName).default([]),
	extraSysctls: z.record(matching(/^[a-z0-9_]+(\.[\w*/-]+)+$/, "is not a sysctl key. Use dots, such as net.ipv4.tcp_keepalive_time."), sysctlValue).default({}),
	extraModules: z.array(moduleName).default([]),
	kubeadmIgnorePreflightErrors: z.array(word).default([]),
	featureGates: z.record(gateName, z.boolean()).default({}),
	kubeProxyConntrackMaxPerCore: count(0, 1_000_000).default(32768),
	kubeProxyConntrackMin: count(0, 100_000_000).default(131072),
	flannelVersion: optional(version).default(""),
	flannelImage: optional(image).default(""),
	flannelCniPluginImage: optional(image).default(""),
	minimumCpus: count(1, 1024).default(2),
	minimumMemoryMb: count(1, 1_000_000).default(1700),
	maximumClockSkewSeconds: count(1, 3600).default(5),
	initTimeoutSeconds: count(10, 7200).default(300),
	joinTimeoutSeconds: count(10, 7200).default(300),
	joinsAtOnce: count(1, 1000).default(10),
	etcdSnapshots: z.record(z.string(), z.unknown()).default({}),
	renewCertificates: oneOf("up", "timer").default("up"),
	drainTimeoutSeconds: count(10, 7200).default(300),
	podTimeoutSeconds: count(10, 7200).default(300),
	demoEnabled: z.boolean().default(true),
	demoKubeconfig: z.boolean().default(false),
	demoImage: image.default("registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17"),
	demoInitImage: image.default("registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24"),
	demoHostPath: folder.default("/data/volumes/nginx/log/"),
	demoFreshFile: z.boolean().default(false),
	demoRecordHours: count(0, 720).default(24),
	pauseProof: z.boolean().default(false),
	gallery: z.array(oneOf(...SCENARIO_NAMES)).default([]),
};
export type Key = keyof typeof KEYS;

export type PulumiType = "string" | "integer" | "boolean" | "array" | "object";
/** The type that Pulumi.yaml gives a key. */
export function pulumiType(key: Key): PulumiType {
	const { type } = KEYS[key].def.innerType.def;
	if (type === "number") return "integer";
	if (type === "record") return "object";
	return type === "enum" ? "string" : type;
}
