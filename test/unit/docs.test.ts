// The documents say what is so: the table of keys, files, commands and error texts that they name.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { BEGIN, configTable, END, withTable } from "../../commands/config-table.ts";
import { requestIn } from "../../commands/etcd/request.ts";
import { STAYS, unexplained } from "../bare/stays.ts";
import { shellFile, shellFiles } from "../scripts/shell-files.ts";
import { settings } from "./settings.ts";

const root = join(import.meta.dirname, "../..");
const text = (path: string) => readFileSync(join(root, path), "utf8");
/** docs/benchmarks.md is written by a program. */
const documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "lab/README.md"].concat(
	readdirSync(join(root, "docs")).flatMap((name) => (name.endsWith(".md") && name !== "benchmarks.md" ? [`docs/${name}`] : [])),
);
const readme = text("README.md");
/** Code spans and blocks, where commands and files are named. */
const codeOf = (document: string) => [...document.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([code]) => code.replaceAll("`", ""));

test("the README's table of configuration keys is current", () => {
	assert.equal(withTable(readme, configTable(text("Pulumi.yaml"))), readme, "run: node_modules/.bin/node commands/config-table.ts");
});
test("the table of keys escapes what would end a cell or start a tag, and keeps the text around the markers", () => {
	const yaml = 'config:\n  other:key: { value: 1 }\n  list: { type: array, items: { type: string }, default: [], description: "a|b <c> `<d>`." }\n';
	const table = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n| `list` | list of strings | `[]` | a\\|b &lt;c> `<d>`. |";
	assert.equal(configTable(yaml), table);
	assert.equal(withTable(`before\n${BEGIN}\nold\n${END}\nafter`, "new"), `before\n${BEGIN}\nnew\n${END}\nafter`);
	assert.throws(() => withTable("no markers", "new"), /the markers .* are not both there/);
});

for (const path of documents) {
	const document = text(path);
	const prose = document.replaceAll(/```[\s\S]*?```|`[^`\n]+`/g, "");

	test(`${path}: every relative link leads to a file, and to a heading where it names one`, () => {
		for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
			if (/^https?:/.test(target)) continue;
			const [file = "", heading] = target.split("#");
			const linked = file === "" ? path : normalize(join(dirname(path), file));
			assert.ok(existsSync(join(root, linked)), `${target}: no ${linked}`);
			if (heading) assert.ok(headings(text(linked)).includes(heading), `${target}: no such heading in ${linked}`);
		}
	});

	test(`${path}: every file of the project that it names exists`, () => {
		const inProject = /^(?:(?:cluster|workloads|config|scripts|lab|test|bench|docs)\/[\w./-]*|[\w-]+(?:\.\w+)*\.(?:ts|md))$/;
		const madeLater = ["lab/init.pid", "lab/log", "docs/benchmarks.md"];
		// What stands in a folder's row is named from that folder on; `lab/` and its like in the cache's table are the cache's.
		const folders = ["", "cluster/", "scripts/", "lab/", "lab/toolchain/", "docs/", "test/"];
		for (const name of codeOf(document).flatMap((code) => code.split(/[\s"']+/)))
			if (inProject.test(name) && !madeLater.includes(name))
				assert.ok(
					folders.some((folder) => existsSync(join(root, folder, name))),
					name,
				);
	});

	test(`${path}: every npm script and lab command that it names exists`, () => {
		const { scripts } = JSON.parse(text("package.json")) as { scripts: Record<string, string> };
		const usage = text("lab/lab").match(/<<'EOF'\n([\s\S]*?)EOF/)?.[1] ?? "";
		const commands = [...usage.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
		assert.ok(commands.length >= 6);
		for (const code of codeOf(document)) {
			for (const [, name = ""] of code.matchAll(/\bnpm run ([\w:]+)/g)) assert.ok(name in scripts, `npm run ${name}`);
			for (const [, names = ""] of code.matchAll(/\blab\/lab ([\w|]+)/g))
				for (const name of names.split("|")) assert.ok(commands.includes(name), `lab/lab ${name}`);
		}
	});

	test(`${path}: names no key that is not in Pulumi.yaml`, () => {
		const keys = text("Pulumi.yaml");
		for (const code of codeOf(document))
			for (const [, key = ""] of code.matchAll(/kubeadm-lab:(\w+):/g)) assert.match(keys, new RegExp(`^  ${key}:`, "m"), `kubeadm-lab:${key}`);
	});
}

test("docs/day-two.md: every setting that it shows is taken, and every command on snapshots", () => {
	const document = text("docs/day-two.md");
	const shown = [...document.matchAll(/```yaml\n(kubeadm-lab:[\s\S]*?)```/g)].map(([, block = ""]) => parse(block) as Record<string, unknown>);
	assert.ok(shown.length >= 3);
	for (const block of shown) {
		const changes = Object.fromEntries(Object.entries(block).map(([key, value]) => [key.replace("kubeadm-lab:", ""), value]));
		assert.notDeepEqual(settings(changes).cluster, settings().cluster, JSON.stringify(changes));
	}
	const commands = [...document.matchAll(/^(?:lab\/lab exec -- )?npm run (?:-s )?etcd -- (.*)$/gm)].map(
		([, words = ""]) => requestIn(words.split(" ")).command,
	);
	assert.deepEqual([...new Set(commands)].sort(), ["fetch", "list", "restore", "snapshot"]);
});

/** GitHub's anchors. */
function headings(document: string): string[] {
	const lines = document.replaceAll(/```[\s\S]*?```/g, "").matchAll(/^#+ (.+)$/gm);
	return [...lines].map(([, title = ""]) =>
		title
			.toLowerCase()
			.replaceAll(/[^\w\s-]/g, "")
			.replaceAll(/\s/g, "-"),
	);
}

/** Texts of programs that are not in this repository, as they were seen in the lab or in their source. */
const OTHERS = [
	"the stack is currently locked by 1 lock(s)", // pulumi pkg/v3/backend/diy/lock.go, v3.274.1
	"Attempting to deploy or update resources with <number> pending operations from previous deployment.", // pulumi pkg/v3/resource/deploy/deployment_executor.go
	"failed to load checkpoint: EOF", // pulumi pkg/v3/backend/diy
	"The resources in the stack have been deleted", // pulumi pkg/v3/backend/display
	"^C received; cancelling", // pulumi pkg/v3/backend/cancellation_scope.go
	"configured Kubernetes cluster is unreachable", // pulumi-kubernetes provider/v4/pkg/provider/provider.go, v4.25.0
	"failed to fully initialize or become live: timed out waiting for the condition", // pulumi-kubernetes provider/v4/pkg/await, v4.25.0
	"ssh: handshake failed: EOF", // golang.org/x/crypto ssh/client.go, in the command plugin
	"incorrect passphrase", // pulumi pkg/v3/secrets/passphrase/manager.go
	"passphrase must be set with PULUMI_CONFIG_PASSPHRASE", // as above
	"no Pulumi.yaml project file found", // pulumi pkg/v3/workspace/workspace.go
	'Unknown file extension ".ts"', // Node.js before 22.18, seen with 20.20.2
	"finalizers might be preventing deletion", // pulumi-kubernetes provider/v4/pkg/await/condition/deleted.go, v4.25.0
	"sudo: a password is required", // sudo -n
	"Too many authentication failures", // OpenSSH's server, packet.c and auth.c
	"dial unix <path>: connect: no such file or directory", // Go's net, in the command plugin 1.2.1
	"pulumi-resource-command", // a process
];

const sources = ["cluster", "config", "workloads", "provider", "lab", "commands"]
	.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)))
	.filter((path) => /\.(ts|sh)$|^lab\/(lab|demo|setup)$/.test(path))
	.concat("config.ts")
	.map((path) =>
		text(path)
			.replaceAll("'\\''", "'")
			.replaceAll('\\"', '"')
			.replaceAll(/\$\{\w+:\?([^{}]*)\}/g, "$1")
			.replaceAll(/\$\{[^{}]*\}/g, ""),
	);
/** A text is there when one file has all its parts; `<...>` is what differs. In the sources, the places for values are taken out. */
const isInCode = (quoted: string) => {
	const parts = quoted
		.split(/<[^>]*>/)
		.map((part) => part.trim())
		.filter((part) => part.length > 2);
	return parts.length > 0 && sources.some((source) => parts.every((part) => source.includes(part)));
};
const troubleshooting = readme.slice(readme.indexOf("\n## Troubleshooting"), readme.indexOf("\n## More"));

test("every error text of the README's troubleshooting occurs in the code, or is a known text of another program", () => {
	const tables = troubleshooting.matchAll(/^\| text \|.*\n\|.*\n((?:\|.*\n)+)/gm);
	const quoted = [...tables].flatMap(([, rows = ""]) => rows.trim().split("\n")).flatMap((row) => codeOf(row.split(" | ")[0] ?? ""));
	assert.ok(quoted.length > 30, "the tables were not found");
	assert.deepEqual(
		quoted.filter((line) => !OTHERS.includes(line) && !isInCode(line)),
		[],
		"not in the code",
	);
	for (const line of OTHERS) assert.ok(troubleshooting.includes(line), `no longer in the README: ${line}`);
});

test("the README's preflight table has exactly the items that the preflight reports", () => {
	const script = ["preflight", "endpoint-free", "upgrade-plan", "used-host", "packet-filter"].map((name) => shellFile(name).text).join("");
	const placeholder = (word: string) => `<${word === "port" ? "number" : word === "name" ? "module" : "folder"}>`;
	const reported = new Set(
		[...script.matchAll(/\bproblem (?:'([^']+)'|"([^"]+)")/g)].map(
			([, item, template = ""]) => item ?? template.replace(/\$\{(\w+)\}/, (_, word: string) => placeholder(word)),
		),
	);
	const [, rows = ""] = troubleshooting.match(/^\| item \|.*\n\|.*\n((?:\|.*\n)+)/m) ?? [];
	const listed = rows
		.trim()
		.split("\n")
		.flatMap((row) => codeOf(row.split(" | ")[0] ?? ""));
	assert.deepEqual(listed.sort(), [...reported].sort());
	for (const part of ["%s: %s: found %s; expected %s. To go on: %s.", "nothing was changed on this host"]) assert.ok(script.includes(part), part);
});

test("the README's list of what stays is the one that destroyed hosts are compared with", () => {
	const [, list = ""] = readme.match(/^What stays:\n\n((?:- .*\n)+)/m) ?? [];
	const lines = list.trim().split("\n");
	assert.deepEqual(
		lines.map((line) => STAYS.find(({ readme }) => line.startsWith(`- ${readme}`))?.readme ?? line),
		STAYS.map(({ readme }) => readme),
	);
	assert.deepEqual(unexplained(["+ file /data/volumes/nginx/log/message 644 root:root 90", "+ file /etc/kubernetes/left 644 root:root 1"]), [
		"+ file /etc/kubernetes/left 644 root:root 1",
	]);
});

test("docs/hosts.md has a row for each step that the program runs on a host", () => {
	const document = text("docs/hosts.md");
	const steps = new Set(
		[...["host", "control-plane", "member", "node"].map((name) => `cluster/${name}.ts`), "workloads/lifecycle-demo.ts", "workloads/recorder.ts"].flatMap(
			(path) => stepsIn(text(path)),
		),
	);
	const listed = [...document.matchAll(/^\| `([a-z]+)`[^|]*\|/gm)]
		.map(([, name]) => name)
		.filter((name) => shellFiles.some((file) => file.isStep && file.name === name));
	assert.deepEqual(listed.sort(), [...steps].sort());
});
/** The file of a step, or `state("x", ...)`. */
const stepsIn = (source: string) => [...source.matchAll(/(?:"\.\/steps\/|\bstate\(")([a-z]+)(?:\.sh)?"/g)].map(([, name]) => name ?? "");

test("docs/reliability.md names tests that are there, each with what came out", () => {
	const rows = [...text("docs/reliability.md").matchAll(/^\| ([^|]*) \| ([^|]+) \| ([^|]+) \| `([^`|]+)`: ([^|]+) \|$/gm)];
	assert.ok(rows.length > 60 && rows[0]?.[1] !== "", "the table was not found");
	for (const [row, , , outcome = "", file = "", name = ""] of rows) {
		assert.ok(["survived", "refused before a change", "told"].includes(outcome), row);
		const titles = [...text(file).matchAll(/\b(?:test|tries)\(\s*(?:"([^"]+)"|`([^`]+)`)/g)].map(([, plain, template]) => plain ?? template ?? "");
		assert.ok(
			titles.some((title) => title.includes(name)),
			`no test in ${file} has a name with: ${name}`,
		);
	}
});

test("no document names a folder of a developer's machine", () => {
	for (const path of documents) assert.doesNotMatch(text(path), /(^|[\s`"'(])\/(work|tmp|home)\//m, path);
});
