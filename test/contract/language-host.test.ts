// The Node language host: how it runs programs and plugins, and what it tells the engine.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseArgs } from "node:util";
import { isAlive, LanguageHost } from "./support/language-host.ts";

async function host(t: TestContext, act = "", options?: { runner: boolean }): Promise<LanguageHost> {
	const started = await LanguageHost.start(act, options);
	t.after(() => started.stop());
	return started;
}

test("the host says its version, which node it runs and which package manager it would use", async (t) => {
	const own = await host(t);
	assert.match(await own.version(), /^v?3\.\d+\.\d+/);
	const about = await own.about();
	assert.equal(about.getVersion(), process.version);
	assert.match(about.getExecutable(), /node$/);
	assert.equal(about.getMetadataMap().get("packagemanager"), "npm");
});

test("a program gets what the SDK needs, as flags", async (t) => {
	const own = await host(t);
	assert.deepEqual(await own.run({}, (request) => request.setDryrun(true).setArgsList(["--mine", "too"])), { error: "", bail: false });
	const seen = await own.seen();
	const names = ["monitor", "engine", "sync", "organization", "project", "root-directory", "stack", "pwd", "parallel"];
	const flags = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
	const { values, positionals } = parseArgs({ args: seen.args, strict: false, allowPositionals: true, options: { ...flags, "dry-run": { type: "boolean" } } });
	const { monitor, mine, ...rest } = values;
	delete rest.sync; // a pipe only the official host has
	assert.match(String(monitor), /^127\.0\.0\.1:\d+$/);
	assert.deepEqual(rest, {
		engine: own.engine.address,
		organization: "organization",
		project: "project",
		"root-directory": own.folder,
		stack: "stack",
		pwd: own.program,
		parallel: "7",
		"dry-run": true,
	});
	assert.deepEqual(seen.args.slice(-3), [".", "--mine", "too"]);
	assert.deepEqual(positionals, [".", "too"]);
	assert.equal(mine, true);
});

test("without a dry run the flag is left out", async (t) => {
	const own = await host(t);
	await own.run();
	assert.ok(!(await own.seen()).args.includes("--dry-run"));
});

test("a program gets its configuration and which of it is secret", async (t) => {
	const own = await host(t);
	await own.run({}, (request) => {
		request.getConfigMap().set("project:name", "a'b\"c").set("other:config:old", "2");
		request.setConfigsecretkeysList(["project:name"]);
	});
	const { env } = await own.seen();
	assert.deepEqual(JSON.parse(env.PULUMI_CONFIG ?? ""), { "project:config:name": "a'b\"c", "other:config:old": "2" });
	assert.deepEqual(JSON.parse(env.PULUMI_CONFIG_SECRET_KEYS ?? ""), ["project:name"]);
});

test("a configuration key with one more colon is refused, and nothing is run", async (t) => {
	const own = await host(t);
	const run = own.run({}, (request) => void request.getConfigMap().set("other:deep:er", "2"));
	await assert.rejects(run, /could not parse other:deep:er as a configuration key \(configuration keys should be of the form `<namespace>:<name>`\)/);
	assert.equal(existsSync(join(own.folder, "seen.json")), false);
});

test("a program without configuration gets none", async (t) => {
	const own = await host(t);
	await own.run();
	const { env } = await own.seen();
	assert.deepEqual([env.PULUMI_CONFIG, env.PULUMI_CONFIG_SECRET_KEYS], ["{}", "[]"]);
});

test("ts-node is wanted unless the project says otherwise", async (t) => {
	const usual = await host(t);
	await usual.run();
	assert.equal((await usual.seen()).env.PULUMI_NODEJS_TYPESCRIPT, "true");
	const without = await host(t);
	await without.run({ typescript: false, tsconfig: "own.json" });
	const { env } = await without.seen();
	assert.deepEqual([env.PULUMI_NODEJS_TYPESCRIPT, env.PULUMI_NODEJS_TSCONFIG_PATH], [undefined, "own.json"]);
});

test("nodeargs go to node, cut as a shell would", async (t) => {
	const own = await host(t);
	await own.run({ nodeargs: `--enable-source-maps --title="two words" --trace-uncaught` });
	assert.deepEqual((await own.seen()).nodeArguments, ["--enable-source-maps", "--title=two words", "--trace-uncaught"]);
});

test("an option of the wrong type is an error of the program", async (t) => {
	const own = await host(t);
	assert.match((await own.run({ typescript: "yes" })).error, /typescript option must be a boolean/);
});

test("a program runs by the node of the host", async (t) => {
	const own = await host(t);
	await own.run();
	assert.equal((await own.seen()).node, process.execPath);
});

for (const [code, expected] of [
	[0, { error: "", bail: false }],
	[32, { error: "", bail: true }],
	[3, { error: "Program exited with non-zero exit code: 3", bail: false }],
] as const) {
	test(`exit code ${code} of a program is ${expected.bail ? "a bail, since the error was shown" : expected.error || "a success"}`, async (t) => {
		const own = await host(t, `process.exit(${code})`);
		assert.deepEqual(await own.run(), expected);
	});
}

test("what a program prints is printed by the host, all of it", async (t) => {
	// A line of more than 64 KiB on stderr hangs the official host.
	const own = await host(t, `process.stdout.write("o".repeat(200000) + "out\\n"); process.stderr.write(("e".repeat(60000) + "err\\n").repeat(4))`);
	await own.run();
	await own.stop();
	assert.equal(own.executable.stdout.slice(own.executable.stdout.indexOf("\n") + 1), `${"o".repeat(200_000)}out\n`);
	assert.equal(own.executable.stderr, `${"e".repeat(60_000)}err\n`.repeat(4));
});

test("a program without the SDK is told to install it", async (t) => {
	const own = await host(t, "", { runner: false });
	assert.match((await own.run()).error, /It looks like the Pulumi SDK has not been installed. Have you run pulumi install\?/);
});

test("cancel ends the program", async (t) => {
	const own = await host(t, "setInterval(() => {}, 1000)");
	const run = own.run();
	const { pid } = await own.seen();
	await own.cancel();
	assert.notEqual((await run).error, "");
	assert.equal(isAlive(pid), false);
});

test("SIGINT to the group ends host and program within a second", async (t) => {
	const own = await host(t, "setInterval(() => {}, 1000)");
	own.run().catch(() => {});
	const { pid } = await own.seen();
	const start = performance.now();
	own.executable.interrupt();
	await own.executable.exited;
	assert.ok(performance.now() - start < 1000);
	assert.equal(isAlive(pid), false);
});

test("a plugin folder is run with its folder first, then the engine's arguments, where the engine says", async (t) => {
	const own = await host(t);
	const { error } = await own.runPlugin(["127.0.0.1:2", "--logflow"], { MINE: "a=b" }).ended;
	assert.equal(error, undefined);
	const seen = await own.seen();
	assert.deepEqual(seen.args, [own.program, "127.0.0.1:2", "--logflow"]);
	assert.equal(seen.cwd, own.folder);
	assert.equal(seen.env.MINE, "a=b");
	assert.equal(seen.env.PULUMI_NODEJS_TYPESCRIPT, "true");
});

test("a plugin's outputs are streamed while it runs", async (t) => {
	const own = await host(t);
	const act = `console.log(4711); console.error("trouble"); process.stdin.resume(); setTimeout(() => process.exit(0), 300)`;
	assert.deepEqual(await own.runPlugin([], { DO: act }).ended, { stdout: "4711\n", stderr: "trouble\n" });
});

test("a plugin that fails tells its exit code", async (t) => {
	const own = await host(t);
	const { error, stderr } = await own.runPlugin([], { DO: `console.error("no luck"); process.exit(3)` }).ended;
	assert.match(error ?? "", /non-zero exit code: 3/);
	assert.equal(stderr, "no luck\n");
});

test("a plugin ends when the engine lets go of it", async (t) => {
	const own = await host(t);
	const { ended, kill } = own.runPlugin([], { DO: "setInterval(() => {}, 1000)" });
	const { pid } = await own.seen();
	kill();
	await ended;
	for (const end = performance.now() + 2000; isAlive(pid) && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 20));
	assert.equal(isAlive(pid), false);
});

test("the plugins of installed packages are required, also of nested ones", async (t) => {
	const own = await host(t);
	own.install({
		"@pulumi/one": { name: "@pulumi/one", version: "1.2.3", pulumi: { resource: true } },
		"@pulumi/one/node_modules/two": {
			name: "two",
			version: "9.9.9",
			pulumi: { resource: true, name: "zwei", version: "v2.0.0", server: "https://plugins.example" },
		},
		plain: { name: "plain", version: "1.0.0" },
		"@pulumi/off": { name: "@pulumi/off", version: "1.0.0", pulumi: { resource: false } },
	});
	const required = (await own.requiredPackages()).map((needed) => [needed.getKind(), needed.getName(), needed.getVersion(), needed.getServer()]);
	assert.deepEqual(required.sort(), [
		["resource", "one", "v1.2.3", ""],
		["resource", "zwei", "v2.0.0", "https://plugins.example"],
	]);
});

test("the program's own dependencies are told with their versions, from the lock file and not without one", async (t) => {
	const own = await host(t);
	const manifest = { name: "program", version: "1.0.0", dependencies: { plain: "^1.0.0" } };
	writeFileSync(join(own.program, "package.json"), JSON.stringify(manifest));
	own.install({ plain: { name: "plain", version: "1.0.7", dependencies: { below: "^2.0.0" } }, below: { name: "below", version: "2.0.1" } });
	await assert.rejects(own.dependencies(), /package-lock\.json/);
	const packages = { "": manifest, "node_modules/plain": { version: "1.0.7", dependencies: { below: "^2.0.0" } }, "node_modules/below": { version: "2.0.1" } };
	writeFileSync(join(own.program, "package-lock.json"), JSON.stringify({ name: "program", version: "1.0.0", lockfileVersion: 3, requires: true, packages }));
	assert.deepEqual(await own.dependencies(), { plain: "1.0.7" });
});
