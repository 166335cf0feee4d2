// Nobody gets in: what the hosts listen on, what it gives without a key, and packages that somebody else signed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { controlPlane, hosts, kubectl, lab, labFolder, project, pulumi, pulumiArgs, read, run, succeed } from "../e2e/lab.ts";
import { CHECKS, SHELL } from "./checks.ts";
import { EVERYWHERE, external, internal, ON_CONTROL_PLANE, ON_ITS_ADDRESS, openPorts, UDP_EVERYWHERE, udpPorts } from "./ports.ts";

const cli = `${project}lab/lab`;

describe("a running cluster", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		await lab("reset");
		await pulumi("up");
	});
	after(() => lab("reset"));

	for (const host of hosts)
		for (const [network, address] of [
			["the node network", internal(host)],
			["the external network", external(host)],
		] as const)
			test(`on ${host}, seen from ${network}, every port that takes a connection is one of those in docs/security.md`, async () => {
				const found = await openPorts(address);
				const expected = [EVERYWHERE, ...(host === controlPlane ? [ON_CONTROL_PLANE, ...(address === internal(host) ? [ON_ITS_ADDRESS] : [])] : [])].flatMap(
					(ports) => Object.keys(ports).map(Number),
				);
				assert.deepEqual(
					found,
					expected.sort((a, b) => a - b),
				);
			});

	for (const host of hosts)
		test(`on ${host} the UDP ports that are heard on more than the host itself are those in docs/security.md`, async () => {
			assert.deepEqual(await udpPorts(host), Object.keys(UDP_EVERYWHERE).map(Number));
		});

	test("the controller-manager, the scheduler, metrics of etcd and kube-proxy, and the kubelet's health are heard on the host alone", async () => {
		const listening = await read(controlPlane, "ss -ltnH | awk '{ print $4 }'");
		for (const port of [10257, 10259, 2381, 10249, 10248]) {
			assert.match(listening, new RegExp(`^127\\.0\\.0\\.1:${port}$`, "m"));
			assert.doesNotMatch(listening, new RegExp(`^(?!127\\.0\\.0\\.1:)\\S*:${port}$`, "m"));
		}
	});

	test("who knocks without a key gets nothing: no Pod, no Secret, no log, no exec, no key of etcd", async () => {
		const ask = async (url: string) => (await run(cli, ["exec", "--", "curl", "-sk", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", url])).stdout;
		for (const host of hosts) {
			for (const path of [
				"pods",
				"metrics",
				"configz",
				"logs/",
				"containerLogs/default/lifecycle-demo-pod/lifecycle-demo",
				"exec/default/lifecycle-demo-pod/lifecycle-demo?command=id&output=1",
			])
				assert.equal(await ask(`https://${internal(host)}:10250/${path}`), "401", `${host} ${path}`);
			assert.equal(await ask(`http://${internal(host)}:10255/pods`), "000");
		}
		const api = `https://${external(controlPlane)}:6443`;
		for (const path of ["api/v1/namespaces/kube-system/secrets", "api/v1/pods", "api/v1/nodes", "metrics", "debug/pprof/", "logs/"])
			assert.match(await ask(`${api}/${path}`), /^40[13]$/, path);
		assert.equal(await ask(`${api}/livez`), "200", "the server that refuses the others is there");
		assert.equal(await ask(`https://${internal(controlPlane)}:2379/version`), "000", "etcd ends it before a word");
	});

	test("the checks of the CIS benchmark are as the table in docs/security.md says", async () => {
		const rows: string[] = [];
		const wrong: string[] = [];
		const answers = new Map<string, string[]>();
		for (const host of hosts) answers.set(host, await answersOf(host));
		for (const [i, check] of CHECKS.entries()) {
			const found = (check.on === "control plane" ? [controlPlane] : hosts).map((host) => answers.get(host)?.[i] ?? "");
			const passes = found.every((text) => check.expected.test(text));
			if (passes === (check.reason !== undefined))
				wrong.push(
					`${check.id} ${check.what}: found ${[...new Set(found)].map((text) => JSON.stringify(text)).join(", ")}${passes ? ", which passes: take its reason out" : ""}`,
				);
			rows.push(`| ${check.id} | ${check.what.replaceAll("|", "\\|")} | ${check.reason === undefined ? "pass" : `not so: ${check.reason}`} |`);
		}
		assert.deepEqual(wrong, []);
		if (process.env.SECURITY_TABLE) writeFileSync(process.env.SECURITY_TABLE, `${rows.join("\n")}\n`);
	});
	/** What each check's command prints on a host, all by one login; a value of the kubelet's is in what it says its configuration is. */
	async function answersOf(host: string): Promise<string[]> {
		const asked = CHECKS.map(({ command, on }) => (command.startsWith("configz ") || (on === "control plane" && host !== controlPlane) ? ":" : command));
		const text = await read(host, `${SHELL}${asked.map((command) => `printf '\\n== next\\n'; { ${command}; } 2>&1 || true`).join("\n")}`);
		const { kubeletconfig } = JSON.parse(await kubectl(`get --raw /api/v1/nodes/${host}/proxy/configz`));
		return text
			.split("\n== next\n")
			.slice(1)
			.map((printed, i) => {
				const path = /^configz (.*)$/.exec(CHECKS[i]?.command ?? "")?.[1];
				if (path === undefined) return printed.trim();
				return String(path.split(".").reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], kubeletconfig) ?? "");
			});
	}
});

describe("packages that somebody else made", { concurrency: false }, () => {
	let folder = "";
	let server: ChildProcess | undefined;
	const PORT = 8099;
	const sh = (command: string, env: NodeJS.ProcessEnv = {}) => succeed("bash", ["-c", command], { env, timeoutSeconds: 120 });
	before(async () => {
		await lab("up");
		await lab("reset");
		folder = mkdtempSync(join(tmpdir(), "kl-")); // short: gpg's socket is in it
		const content = join(labFolder, "../content");
		const tree = join(content, readdirSync(content).find((name) => /^packages-[0-9a-f]{16}$/.test(name)) ?? "");
		const gnupg = join(folder, "gnupg");
		mkdirSync(gnupg, { mode: 0o700 });
		await sh("gpg --batch --quiet --passphrase '' --quick-generate-key stranger rsa2048 sign never", { GNUPGHOME: gnupg });
		for (const kind of ["stranger", "altered", "metadata"]) cpSync(join(tree, "kubernetes"), join(folder, "www", kind), { recursive: true });
		const rpm = (kind: string) => join(folder, "www", kind, readdirSync(join(folder, "www", kind)).find((name) => name.startsWith("cri-tools")) ?? "");
		await sh(
			`rpmsign --define '_gpg_name stranger' --define '__gpg /usr/bin/gpg' --define '_dbpath ${folder}/db' --resign ${rpm("stranger")} && createrepo_c -q ${folder}/www/stranger`,
			{ GNUPGHOME: gnupg },
		);
		const bytes = readFileSync(rpm("altered"));
		bytes[bytes.length - 1000] = (bytes[bytes.length - 1000] ?? 0) ^ 1;
		writeFileSync(rpm("altered"), bytes);
		await sh(`createrepo_c -q ${folder}/www/altered`);
		await sh(`cd ${folder}/www/metadata/repodata && rm -f repomd.xml.asc && gpg --batch --quiet --armor --detach-sign repomd.xml`, { GNUPGHOME: gnupg });
		await sh("gpgconf --kill all", { GNUPGHOME: gnupg });
		server = spawn(cli, ["exec", "--", "busybox", "httpd", "-f", "-p", `172.16.1.1:${PORT}`, "-h", join(folder, "www")], { stdio: "ignore" });
	});
	after(async () => {
		server?.kill();
		rmSync(folder, { recursive: true, force: true });
		await lab("reset");
	});
	for (const [kind, what, more, words] of [
		["stranger", "a package with another's signature", "", /not correct for this package[\s\S]*cri-tools[\s\S]*GPG check FAILED/],
		["altered", "a package that was altered after it was signed", "", /GPG check FAILED/],
		[
			"metadata",
			"a repository's index with another's signature, where repoGpgCheck is on",
			"\n      repoGpgCheck: true",
			/repomd\.xml GPG signature verification error/,
		],
	] as const)
		test(`${what} is refused, and nothing of that transaction is installed`, async () => {
			const file = join(folder, "Pulumi.lab.yaml");
			const text = readFileSync(`${project}Pulumi.lab.yaml`, "utf8");
			writeFileSync(file, text.replace("http://172.16.1.1:8080/kubernetes/", `http://172.16.1.1:${PORT}/${kind}/${more}`));
			const { code, output } = await run(cli, pulumiArgs("up", "lab", "--config-file", file), { timeoutSeconds: 300 });
			assert.notEqual(code, 0);
			assert.match(output, words);
			for (const host of hosts)
				assert.match(await read(host, "rpm -q cri-tools kubelet || true"), /cri-tools is not installed[\s\S]*kubelet is not installed/, host);
			await pulumi("destroy");
		});
});
