// node commands/config-table.ts: writes the table of configuration keys into README.md, made from Pulumi.yaml.
// Only the lines between the two markers change; test/unit/docs.test.ts fails when they are not current.
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

interface Declared {
	type: string;
	items?: { type: string };
	default: unknown;
	description: string;
}

export const BEGIN = "<!-- config table: begin; made from Pulumi.yaml by commands/config-table.ts -->";
export const END = "<!-- config table: end -->";

/** A Markdown table with one row per key, in the order of Pulumi.yaml. Keys of other namespaces are Pulumi's own and left out. */
export function configTable(projectYaml: string): string {
	const { config } = parse(projectYaml) as { config: Record<string, Declared> };
	const rows = Object.entries(config)
		.filter(([key]) => !key.includes(":"))
		.map(([key, declared]) => [`\`${key}\``, typeName(declared), defaultText(declared.default), cell(declared.description)]);
	return [["key", "type", "default", "meaning"], ["---", "---", "---", "---"], ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
const typeName = ({ type, items }: Declared) => (items ? `list of ${items.type}s` : type);
const defaultText = (value: unknown) => (value === "" ? "empty" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``);
/** A pipe would end the cell. An angle bracket would start a tag, but not within backticks. */
const cell = (text: string) =>
	text
		.replaceAll("|", "\\|")
		.split("`")
		.map((part, i) => (i % 2 === 0 ? part.replaceAll("<", "&lt;") : part))
		.join("`");

/** The text with another table between the markers. Throws where the markers are missing. */
export function withTable(readme: string, table: string, from = BEGIN, to = END): string {
	const [begin, end] = [readme.indexOf(from), readme.indexOf(to)];
	if (begin < 0 || end < begin) throw new Error(`README.md: the markers ${from} and ${to} are not both there, in this order`);
	return `${readme.slice(0, begin + from.length)}\n${table}\n${readme.slice(end)}`;
}

if (import.meta.main) {
	const file = (name: string) => new URL(`../${name}`, import.meta.url);
	const readme = readFileSync(file("README.md"), "utf8");
	const current = withTable(readme, configTable(readFileSync(file("Pulumi.yaml"), "utf8")));
	if (current !== readme) writeFileSync(file("README.md"), current);
	process.stdout.write(current === readme ? "README.md is current\n" : "README.md: wrote the table\n");
}
