// What `runtime.options` of a Pulumi.yaml or PulumiPlugin.yaml means for the node that runs it.
import type structs from "google-protobuf/google/protobuf/struct_pb.js";

export interface Options {
	nodeArguments: string[];
	/** npm unless the file names another. */
	packageManager: string;
	/** For @pulumi/pulumi's own runner: whether to load ts-node, and with which tsconfig. */
	environment: Record<string, string>;
}

/** `typescript` is true unless the file says otherwise, as in the official host. */
export function parseOptions(struct: structs.Struct | undefined): Options {
	const { typescript = true, tsconfig = "", nodeargs = "", packagemanager = "auto" } = (struct?.toJavaScript() ?? {}) as Record<string, unknown>;
	if (typeof typescript !== "boolean") throw new Error("typescript option must be a boolean");
	if (typeof tsconfig !== "string") throw new Error("tsconfigpath option must be a string");
	if (typeof nodeargs !== "string") throw new Error("nodeargs option must be a string");
	const managers = ["auto", "npm", "yarn", "pnpm", "bun"];
	if (!managers.includes(packagemanager as string)) {
		throw new Error(`packagemanager option must be one of auto, npm, yarn, pnpm or bun, got "${packagemanager}"`);
	}
	return {
		nodeArguments: splitWords(nodeargs),
		packageManager: packagemanager === "auto" ? "npm" : (packagemanager as string),
		environment: {
			...(typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
			...(tsconfig === "" ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: tsconfig }),
		},
	};
}

/** Words as a shell would cut them: quotes keep blanks together, a backslash keeps the next character. */
function splitWords(line: string): string[] {
	const words = line.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? [];
	return words.map((word) =>
		word.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g, (_, single, double, escaped) => single ?? double?.replace(/\\(.)/g, "$1") ?? escaped),
	);
}
