// A cluster that runs, and what is changed around it: keys, a mirror, a saved plan that has grown old. And what docs/drift.md says to run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { stepScript } from "../../../cluster/step-text.ts";
import { KEPT_SCRIPT, type Setting, settingsText } from "../../../provider/shell.ts";
import { stepFile } from "../../scripts/shell-files.ts";
import { mark, pods, written } from "../audit.ts";
import { controlPlane, hosts, labFolder, onHost, output, project, pulumi, pulumiRun, read, run } from "../lab.ts";
import { leavesItStanding, standingCluster } from "./standing.ts";

const host = "k8s-node01";
type Found = Record<string, string>;
const sysctl = (key: string, value?: number) => read(host, value === undefined ? `sysctl -n ${key}` : `sysctl -qw ${key}=${value}`);

describe("changes around a cluster that runs", { concurrency: false }, () => {
	let folder = "";
	/** Runs with the lab's settings after `edit`, in a copy of the stack's file. */
	const runWith = async (command: string, edit: (text: string) => string) => {
		const file = `${folder}/Pulumi.lab.yaml`;
		await writeFile(file, edit(await readFile(`${project}Pulumi.lab.yaml`, "utf8")));
		return pulumi(command, "--config-file", file);
	};
	/** What runs on each host, and on the cluster. */
	const running = async (): Promise<unknown[]> => [...(await Promise.all(hosts.map(mark))), await pods()];

	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/changes-`);
		await standingCluster("--parallel", "2"); // as many workers as slots
	});
	after(() => rm(folder, { recursive: true }));

	test("a mirror is changed without a restart of anything, and containerd pulls through it at once", async () => {
		const before = await running();
		const { stdout } = await runWith("up", (text) => text.replace("registryMirrors:\n", "registryMirrors:\n    quay.io: ['http://172.16.1.1:5000']\n"));
		assert.match(stdout, /~ 3 updated/);
		for (const name of hosts) {
			assert.match(stdout, new RegExp(`lab-${name}-runtime updated .*\\[diff: .*~settings`));
			const files = (await written(name)).filter((path) => !path.startsWith("/var/lib/kubeadm-lab/"));
			assert.deepEqual(files, ["/etc/containerd/certs.d/quay.io/hosts.toml"], name);
		}
		assert.deepEqual(await running(), before);
		await read(host, "crictl pull quay.io/flannel/flannel:v0.25.7");
		await pulumi("up");
		assert.notEqual((await onHost(host, "test -e /etc/containerd/certs.d/quay.io/hosts.toml")).code, 0);
		assert.deepEqual(await running(), before);
	});

	test("every look answers the same where it can write nothing: no step's check changes its host, nor does what a preview runs", async () => {
		const { deployment } = JSON.parse((await pulumi("stack export", "--show-secrets")).stdout) as {
			deployment: { resources: { type: string; urn: string; inputs: Record<string, unknown> }[] };
		};
		const clear = (value: unknown) => {
			const { plaintext } = (value ?? {}) as { plaintext?: string };
			return plaintext === undefined ? value : JSON.parse(plaintext);
		};
		const address = new Map(hosts.map((name, i) => [`172.16.1.${110 + i}`, name]));
		const provider = deployment.resources.find(({ type }) => type === "pulumi:providers:host");
		const shared = JSON.parse(String(clear(provider?.inputs.shared))) as Record<string, string>;
		const steps = deployment.resources.flatMap(({ type, urn, inputs }) => {
			const name = urn.split("::").at(-1) ?? "";
			if (type === "host:index:Step") {
				const [step, looksOnly] = [String(inputs.step), inputs.looksOnly === true];
				const script = looksOnly ? stepScript(stepFile(step)) : KEPT_SCRIPT;
				const settings = { ...(clear(inputs.settings) as Record<string, Setting>) };
				for (const name of Object.keys(inputs.shared ?? {})) settings[name] = shared[name] ?? "";
				const text = `SCRIPT='${inputs.script}'\n${settingsText(step, settings)}${script}`;
				return [{ name, where: String(inputs.host), text, looksOnly }];
			}
			if (type !== "command:remote:Command") return [];
			return [{ name, where: address.get(clear(inputs.connection).host) ?? "", text: String(clear(inputs.stdin)), looksOnly: false }];
		});
		assert.ok(steps.length > 20);
		assert.equal(steps.filter(({ looksOnly }) => looksOnly).length, hosts.length, "preflight of each");
		const readOnly = (verb: string) => `unshare --mount --propagation private bash -c '
for m in $(findmnt -rno TARGET); do mount -o remount,bind,ro "$m" 2>/dev/null; done
mount -t tmpfs none /mnt && cp -a /var/lib/rpm /mnt/ && mount --bind /mnt/rpm /var/lib/rpm # rpm locks its database to read it
for d in / /etc /run /run/lock /var/lib /var/lib/kubeadm-lab /var/log /tmp /dev/shm /proc/sys/kernel; do ! touch "$d/x" 2>/dev/null || echo "can write $d"; done
exec bash -s -- ${verb}'`;
		const look = async (step: { where: string; text: string; looksOnly: boolean }, command: string) => {
			const { code, stdout, output } = await onHost(step.where, command, { input: step.text });
			const facts = stdout.replace(/^(clock|diskFreeGb)=.*$/gm, "$1"); // they change by themselves
			// That file systems are read-only is what a look must find there, beside what it finds anyway.
			const own = facts.replace(/^file system\t.* is read-only\n/gm, "");
			const others = output.match(/^\S+: (?!file system: found \S+ is read-only;).*: found .*; expected /gm) ?? [];
			const isAllThat = (own !== facts || /: file system: found /.test(output)) && others.length === 0 && (own === "" || step.looksOnly);
			return { code: isAllThat ? 0 : code, stdout: own };
		};
		for (const step of steps)
			for (const verb of step.looksOnly ? ["check", "apply"] : ["check"]) {
				const plain = await look(step, `bash -s -- ${verb}`);
				assert.equal(plain.code, 0, `${step.name} ${verb}: ${plain.stdout}`);
				assert.deepEqual(await look(step, readOnly(verb)), plain, `${step.name} ${verb}`);
			}
		await sysctl("net.ipv4.ip_forward", 0);
		const system = steps.find(({ name }) => name === `lab-${host}-system`);
		assert.ok(system);
		assert.deepEqual(await look(system, readOnly("check")), { code: 3, stdout: "sysctl net.ipv4.ip_forward\t1\t0\n" });
		await sysctl("net.ipv4.ip_forward", 1);
	});

	test("a plan of a stack without changes stops before a host that changed meanwhile, and names the step and what moved", async () => {
		const plan = `${folder}/plan.json`;
		await pulumi("preview", "--save-plan", plan);
		await sysctl("net.ipv4.ip_forward", 0);
		const { code, output } = await pulumiRun("up", "--plan", plan, "--diff");
		assert.notEqual(code, 0);
		assert.match(output, /sysctl net\.ipv4\.ip_forward/);
		assert.match(output, /lab-k8s-node01-system[\s\S]*error: update is not allowed by the plan: this resource is constrained to same/);
		assert.equal((await sysctl("net.ipv4.ip_forward")).trim(), "0");
	});

	test("a plan that repairs a step repairs whatever else differs in it by then", async () => {
		const plan = `${folder}/plan.json`;
		await pulumi("preview", "--save-plan", plan);
		await sysctl("net.bridge.bridge-nf-call-iptables", 0);
		await pulumi("up", "--plan", plan);
		assert.equal(await read(host, "sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables"), "1\n1\n");
	});

	test("docs/drift.md: the units are sound, and what they and the CI job run passes on good hosts and fails on drift", async () => {
		const text = await readFile(`${project}docs/drift.md`, "utf8");
		const [service = "", timer = ""] = [...text.matchAll(/```ini\n([\s\S]*?)```/g)].map(([, unit]) => unit);
		const line = /^ExecStart=\/usr\/local\/bin\/(pulumi .*)$/m.exec(service)?.[1] ?? "";
		const { jobs } = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? "");
		const job = jobs.drift.steps.at(-1);
		assert.equal(job.run, line, "the CI job runs what the timer runs");
		assert.equal(job.env.KUBEADM_LAB_STRICT, "true");
		assert.match(service, /^Environment=KUBEADM_LAB_STRICT=true$/m);

		await read(host, "mkdir -p /srv/kubeadm-lab /tmp/units && install -m 0755 /bin/true /usr/local/bin/pulumi");
		for (const [name, unit] of [
			["service", service],
			["timer", timer],
		] as const)
			assert.equal((await onHost(host, `cat >/tmp/units/kubeadm-lab-drift.${name}`, { input: unit })).code, 0);
		const verified = await onHost(host, "systemd-analyze verify /tmp/units/kubeadm-lab-drift.service /tmp/units/kubeadm-lab-drift.timer");
		await read(host, "rm -r /srv/kubeadm-lab /tmp/units /usr/local/bin/pulumi");
		assert.deepEqual([verified.code, verified.output.match(/^.*kubeadm-lab-drift.*$/gm)], [0, null]);

		const scheduled = () =>
			run(`${project}lab/lab`, ["exec", "--", "sh", "-c", line.replace("--stack dev", "--stack lab")], { env: { KUBEADM_LAB_STRICT: "true" } });
		const good = await scheduled();
		assert.equal(good.code, 0, good.output);
		await sysctl("net.ipv4.ip_forward", 0);
		assert.notEqual((await scheduled()).code, 0);
	});

	test("docs/drift.md: --target looks at one host, and --json has found and wanted where it says", async () => {
		await read("k8s-node02", "sysctl -qw net.ipv4.ip_forward=0"); // that of k8s-node01 differs since the test before
		const target = /`pulumi (preview --target '[^`]*)`/.exec(await readFile(`${project}docs/drift.md`, "utf8"))?.[1] ?? "";
		const one = await run(`${project}lab/lab`, ["exec", "--", "sh", "-c", `pulumi ${target} -s lab --non-interactive --color never --diff`]);
		assert.equal(one.code, 0, one.output);
		assert.match(one.output, /id=k8s-node01\/system/);
		assert.doesNotMatch(one.output, /id=k8s-node02\/system/);

		const { steps } = JSON.parse((await pulumi("preview", "--json")).stdout) as {
			steps: { op: string; urn: string; oldState?: { outputs?: { found?: Found } }; newState?: { inputs?: { found?: Found } } }[];
		};
		for (const name of ["k8s-node01", "k8s-node02"]) {
			const step = steps.find(({ op, urn }) => op === "update" && urn.endsWith(`::lab-${name}-system`));
			const [found, wanted] = [step?.oldState?.outputs?.found ?? {}, step?.newState?.inputs?.found ?? {}];
			const different = Object.keys(wanted).filter((item) => found[item] !== wanted[item]);
			assert.deepEqual(
				different.map((item) => [item, found[item], wanted[item]]),
				[["sysctl net.ipv4.ip_forward", "0", "1"]],
				name,
			);
		}
		await pulumi("up");
	});

	test("another SSH key and another host key change nothing on any host, and init and joins leave the cluster as it is", async () => {
		const key = `${folder}/second`;
		assert.equal(spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]).status, 0);
		const authorized = await readFile(`${key}.pub`, "utf8");
		const knownHosts = await readFile(`${labFolder}/known_hosts`, "utf8");
		for (const name of hosts) assert.equal((await onHost(name, "cat >>/root/.ssh/authorized_keys", { input: authorized })).code, 0);
		const shown = (await read(host, "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/new && cut -d ' ' -f 1,2 /etc/ssh/new.pub")).trim();
		const swapped =
			"cd /etc/ssh; for end in '' .pub; do mv ssh_host_ed25519_key$end kept; mv new$end ssh_host_ed25519_key$end; mv kept new$end; done; systemctl restart sshd";
		await read(host, swapped);
		try {
			await writeFile(`${labFolder}/known_hosts`, knownHosts.replace(/^172\.16\.1\.111 .*$/m, `172.16.1.111 ${shown}`));
			const before = await running();

			const edit = (text: string) => text.replace("$KUBEADM_LAB/id_ed25519", key);
			const { output } = await runWith("up", edit);
			assert.match(output, /warning: k8s-node01 was not looked at: .*host key mismatch/, "it still looks with what it knew");
			assert.match(output, /pulumi:providers:host hosts updated .*\[diff: ~hosts,~?privateKey\]/);
			assert.doesNotMatch(output, /host:index:Step \S+ updat/);
			assert.match(output, /lab-control-plane-init updated .*\[diff: ~connection\]/);
			for (const name of hosts) assert.deepEqual(await written(name), [], name);
			assert.deepEqual(await running(), before);
			assert.match((await runWith("up", edit)).stdout, /Resources:\n +\d+ unchanged/);
		} finally {
			await read(host, `sleep 1; ${swapped}; rm new new.pub`);
			await writeFile(`${labFolder}/known_hosts`, knownHosts);
			for (const name of hosts) await read(name, "sed -i '$d' /root/.ssh/authorized_keys");
		}
	});
	test("demoKubeconfig: its kubeconfig sees the Pod and its log, and may neither make one nor read a Secret or a Node", async () => {
		await runWith("up", (text) => text.replace("config:\n", "config:\n  kubeadm-lab:demoKubeconfig: true\n"));
		const file = "/root/demo.kubeconfig";
		const text = await output("demoKubeconfig", "--show-secrets");
		assert.equal((await onHost(controlPlane, `umask 077; cat >${file}`, { input: text })).code, 0);
		const as = (command: string) => onHost(controlPlane, `kubectl --kubeconfig ${file} --cache-dir /tmp/kubectl ${command}`);
		assert.match((await as("get pod lifecycle-demo-pod -o wide")).stdout, /Running/);
		assert.equal((await as("logs lifecycle-demo-pod")).code, 0);
		for (const command of [
			"get secrets",
			"get nodes",
			"run other --image=x",
			"exec lifecycle-demo-pod -- id",
			"get pods -n kube-system",
			"create token default",
		])
			assert.match((await as(command)).stderr, /Forbidden|forbidden/, command);
		await pulumi("up");
		const refused = await as("get pods");
		assert.match(refused.stderr, /[Ff]orbidden|Unauthorized|must be logged in/, "what it could do is gone at once");
		// The API server goes on knowing a token for ten seconds after its Secret is gone.
		const until = `for _ in $(seq 30); do kubectl --kubeconfig ${file} --cache-dir /tmp/kubectl get pods 2>&1 | grep -E 'Unauthorized|must be logged in' && exit; sleep 1; done; exit 1`;
		assert.equal((await onHost(controlPlane, until)).code, 0, "and within 30 s nobody is who it was");
		await read(controlPlane, `rm ${file}`);
	});
	leavesItStanding();
});
