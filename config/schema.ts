// Every configuration key with its type, default and rule. Pulumi.yaml repeats types and defaults for people and for `pulumi config`
// (test/unit/stack-files.test.ts holds the two together), so that the program means the same where Pulumi.yaml is not read, as in tests.
import { z } from "zod";
import { parseAddress, parseCidr } from "./network.ts";
import { SCENARIO_NAMES } from "./settings.ts";

const matching = (pattern: RegExp, expected: string) => z.string().refine((text) => pattern.test(text), { error: expected });
const optional = <T extends z.ZodType<string>>(rule: T) =>
	z.string().refine((text) => text === "" || rule.safeParse(text).success, { error: () => messageOf(rule) });
const oneOf = <const T extends string>(...values: T[]) => z.enum(values, { error: `is not one of: ${values.join(", ")}. Use one of these.` });
const count = (minimum: number, maximum: number) =>
	z
		.number()
		.int()
		.refine((number) => number >= minimum && number <= maximum, { error: `is out of range. Use ${minimum} to ${maximum}.` });
const messageOf = (rule: z.ZodType): string => rule.safeParse("").error?.issues[0]?.message ?? "is not valid.";

const dnsLabel = matching(
	/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
	"is not a DNS label. Use up to 63 lower-case letters, digits and dashes, such as k8s-node01.",
);
const address = z
	.string()
	.refine((text) => parseAddress(text) !== undefined, { error: "is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111." });
const cidr = (example: string) =>
	z.string().refine((text) => parseCidr(text) !== undefined, { error: `is not a CIDR. Use address/prefix, such as ${example}.` });
const userName = matching(/^[a-z_][a-z0-9_-]{0,31}$/, "is not a user name. Use root, or a user that may run sudo -n.");
const word = matching(/^[A-Za-z][A-Za-z0-9-]*$/, "is not the name of a check. Use a name that kubeadm prints, such as NumCPU.");
const gateName = matching(/^[A-Z][A-Za-z0-9]*$/, "is not a feature gate. Use a name that Kubernetes lists, such as PodLifecycleSleepAction.");
const packageName = matching(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/, "is not a package name. Use name or name-version, such as bash-completion.");
const moduleName = matching(/^[A-Za-z0-9_-]+$/, "is not a module name. Use a name that modprobe takes, such as br_netfilter.");
const hostName = matching(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, "is not a host name or address. Use one such as ntp.aliyun.com.");
const registry = matching(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?$/, "is not a registry. Use its host, such as docker.io.");
const endpoint = matching(/^https?:\/\/[^\s/"'\\]+(\/[^\s"'\\]*)?$/, "is not an endpoint. Use a URL, such as http://172.16.1.1:5000.");
const url = matching(/^(https?|ftp|file):\/\/[^\s"'\\]+$/, "is not a URL. Use one that yum reads, such as http://vault.centos.org/7.9.2009/os/$basearch/.");
const image = matching(
	/^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9._-]+)+(:[\w.-]{1,128})?(@sha256:[0-9a-f]{64})?$/,
	"is not a full image name. Use registry/name:tag, such as docker.io/library/nginx:1.17.",
);
const imagePrefix = matching(/^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9._-]+)*$/, "is not an image repository. Use one such as registry.k8s.io.");
const folder = z.string().refine((text) => /^\/[\w.+/-]*\/$/.test(text) && text !== "/" && !text.includes("//") && !text.split("/").includes(".."), {
	error: "is not a folder. Use an absolute path with a slash at its end, such as /data/volumes/nginx/log/.",
});
const version = matching(/^\d+\.\d+\.\d+$/, "is not a version. Use three numbers, such as 1.6.33.");
const sysctlValue = z.union([z.string(), z.number().transform(String)], { error: "is not a value. Use text or a number." });

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
	name: dnsLabel,
	address,
	externalAddress: address.optional(),
	role: oneOf("control-plane", "worker"),
	hostKey: z.string().optional(),
	port: count(1, 65535).optional(),
	user: userName.optional(),
	labels: z.record(labelKey, labelValue).default({}),
	taints: z.array(taint).default([]),
};
/** Fields of one entry of `repositories`. */
export const REPOSITORY_FIELDS = {
	id: matching(/^[A-Za-z0-9][\w.-]*$/, "is not a repository id. Use letters, digits and dashes, such as base."),
	name: matching(/^[^\n\r]+$/, "is not a name. Use one line of text.").optional(),
	baseUrl: url,
	gpgKey: z.array(url).optional(),
	gpgCheck: z.boolean().optional(),
	repoGpgCheck: z.boolean().optional(),
	exclude: z.array(matching(/^[\w.*?+-]+$/, "is not a package pattern. Use one such as kernel*.")).optional(),
};
/** Top-level keys. `hosts` and `repositories` are looked into by their own fields. */
export const KEYS = {
	hosts: z.array(z.record(z.string(), z.unknown())).default([]),
	nodeNetwork: optional(cidr("172.16.1.0/24")).default(""),
	sshPrivateKey: z.string().default(""),
	sshPrivateKeyFile: z.string().default(""),
	knownHostsFile: z.string().default(""),
	sshUser: userName.default("root"),
	sshPort: count(1, 65535).default(22),
	sshDialErrorLimit: count(1, 100).default(3),
	sshPerDialTimeoutSeconds: count(1, 300).default(10),
	kernel: matching(/^\d+\.\d+/, "is not a kernel release. Use what uname -r prints, such as 3.10.0-1062.el7.x86_64.").default("3.10.0-1062.el7.x86_64"),
	allowUnsupportedKernel: z.boolean().default(false),
	kubernetesVersion: z.string().default("1.29.15"),
	podCidr: cidr("10.244.0.0/16").default("10.244.0.0/16"),
	serviceCidr: cidr("10.96.0.0/12").default("10.96.0.0/12"),
	podCidrs: oneOf("auto", "program", "controller-manager").default("auto"),
	containerRuntime: oneOf("containerd", "docker").default("containerd"),
	containerRuntimeVersion: optional(version).default(""),
	containerdRestrictOomScoreAdj: z.boolean().default(false),
	imageRepository: imagePrefix.default("registry.k8s.io"),
	registryMirrors: z.record(registry, z.array(endpoint)).default({}),
	repositories: z.array(z.record(z.string(), z.unknown())).default([]),
	extraPackages: z.array(packageName).default([]),
	removePackagesOnDestroy: z.boolean().default(true),
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
	podTimeoutSeconds: count(10, 7200).default(300),
	demoEnabled: z.boolean().default(true),
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
