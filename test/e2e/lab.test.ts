// The lab leaves nothing on the machine, however it ends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { after, before, describe, test } from "node:test";
import { lab, labFolder, project, run, succeed } from "./lab.ts";

describe("the lab's end", { concurrency: false }, () => {
	let cache = "";
	/** A second lab beside the tests' own: its cache holds the same builds, and nothing of its run. */
	const second = (...args: string[]) => run(`${project}lab/lab`, args, { env: { KUBEADM_LAB_CACHE: cache } });

	/** All that a lab could leave on a machine, apart from its cache. */
	const leftovers = async () => {
		const found: string[] = [];
		for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
			const text = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
			const [command, environment, folder] = await Promise.all([text("cmdline"), text("environ"), readlink(`/proc/${pid}/cwd`).catch(() => "")]);
			if (command.includes(cache) || environment.includes(`KUBEADM_LAB=${cache}`) || folder.startsWith(cache))
				found.push(`process ${pid} ${command.replaceAll("\0", " ")}`);
		}
		for (const line of (await readFile("/proc/mounts", "utf8")).split("\n")) if (line.includes(cache)) found.push(`mount ${line}`);
		for (const line of (await succeed("losetup", ["-a"])).stdout.split("\n")) if (line.includes(cache)) found.push(`loop device ${line}`);
		const { stdout: hash } = await succeed("bash", ["-c", "source lab/common.sh; lab_hash"], { env: { KUBEADM_LAB_CACHE: cache } });
		for (const folder of (await succeed("find", ["/sys/fs/cgroup", "-maxdepth", "2", "-name", `kubeadm-lab-${hash.trim()}`])).stdout.split("\n"))
			if (folder) found.push(`control group ${folder}`);
		return found;
	};
	/** Whose they are can't be told from outside: compared with before. */
	const shared = async () => {
		const links = (await succeed("ip", ["-o", "link"])).stdout.split("\n").map((line) => line.split(":")[1]?.trim());
		const namespaces = (await run("ip", ["netns", "list"])).stdout;
		const files = [...(await readdir("/run/systemd/nspawn/propagate").catch(() => [])), ...(await readdir("/run/netns").catch(() => []))];
		return { links, namespaces, files };
	};
	let clean: Awaited<ReturnType<typeof shared>>;

	before(async () => {
		await lab("up"); // so that everything is built; and it must not be touched
		cache = await mkdtemp(`${tmpdir()}/second-lab-`);
		for (const folder of ["toolchain", "content"]) await symlink(`${dirname(labFolder)}/${folder}`, `${cache}/${folder}`);
		clean = await shared();
	});
	after(async () => {
		await second("down");
		await rm(cache, { recursive: true });
	});

	test("down after up leaves no process, mount, loop device, control group, link or file", async () => {
		const { code, output } = await second("up");
		assert.equal(code, 0, output);
		const up = (await leftovers()).join("\n");
		for (const kind of ["process", "control group"]) assert.match(up, new RegExp(`^${kind} `, "m"), "the test does not see it of a lab that is up");
		assert.equal((await second("down")).code, 0);
		assert.deepEqual(await leftovers(), []);
		assert.deepEqual(await shared(), clean);
	});

	test("down ends what exec started and nobody waits for any more, and nothing of the other lab", async () => {
		const other = spawn(`${project}lab/lab`, ["exec", "--", "sleep", "120"], { stdio: "ignore" });
		try {
			await succeed(`${project}lab/lab`, ["up"], { env: { KUBEADM_LAB_CACHE: cache } });
			await second("exec", "--", "sh", "-c", "sleep 120 >/dev/null 2>&1 &"); // as a provider whose engine was killed
			assert.match((await leftovers()).join("\n"), /process \d+ sleep 120/);
			assert.equal((await second("down")).code, 0);
			assert.deepEqual(await leftovers(), []);
			assert.equal(other.exitCode ?? other.signalCode, null, "the other lab's process was ended");
		} finally {
			other.kill();
		}
	});

	test("a process that is frozen, as runc leaves one where it dies in a container's start, goes with its host's power, and with the lab", async () => {
		const frozen = `sleep 300 >/dev/null 2>&1 </dev/null & if cd /sys/fs/cgroup/freezer 2>/dev/null; then mkdir stuck; echo $! >stuck/cgroup.procs; echo FROZEN >stuck/freezer.state; cat stuck/freezer.state
else mkdir /sys/fs/cgroup/stuck; cd /sys/fs/cgroup/stuck; echo $! >cgroup.procs; echo 1 >cgroup.freeze; echo FROZEN; fi`;
		const freeze = async (host: string) => assert.equal((await second("ssh", host, frozen)).stdout, "FROZEN\n");
		assert.equal((await second("up")).code, 0);
		await freeze("k8s-node01");
		for (const state of ["off", "on"]) assert.deepEqual([(await second("power", "k8s-node01", state)).output.match(/error.*/)?.[0], state], [undefined, state]);
		await freeze("k8s-node02");
		assert.equal((await second("down")).code, 0);
		assert.deepEqual(await leftovers(), []);
	});

	for (const seconds of [0.4, 0.8, 1.5, 3])
		test(`down cleans up after an up that was killed after ${seconds} s`, async () => {
			const child = spawn(`${project}lab/lab`, ["up"], { env: { ...process.env, KUBEADM_LAB_CACHE: cache }, stdio: "ignore", detached: true });
			const ended = new Promise((resolve) => child.on("exit", resolve));
			await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
			if (child.pid) process.kill(-child.pid, "SIGKILL"); // its whole process group, which this test made
			await ended;
			const { code, output } = await second("down");
			assert.equal(code, 0, output);
			assert.deepEqual(await leftovers(), []);
			assert.deepEqual(await shared(), clean);
		});

	test("up again after a killed up works", async () => {
		const { code, output } = await second("up");
		assert.equal(code, 0, output);
		assert.equal((await second("reset", "k8s-node01")).code, 0);
		assert.match((await second("status")).stdout, /k8s-node01 .*running.*bare/);
		assert.equal((await second("down")).code, 0);
	});

	test("the other lab on the machine was not touched", async () => {
		const { stdout } = await lab("status");
		assert.equal(stdout.match(/running/g)?.length, 3, stdout);
	});

	test("a start removes content of older inputs, but none that a lab runs on, although its folders are shared", async () => {
		const content = `${dirname(labFolder)}/content`;
		const [unused, used, era] = ["rootfs-0000000000000000", "rootfs-0000000000000001", "images-1999-0000000000000000"].map((name) => `${content}/${name}`) as [
			string,
			string,
			string,
		];
		for (const folder of [unused, used, era]) await mkdir(folder);
		const other = spawn("flock", ["--shared", used, "sleep", "120"], { stdio: "ignore", detached: true });
		try {
			for (const name of (await readdir(content)).filter((entry) => /^[a-z]+-(?!0{15})[0-9a-f]{16}$/.test(entry)))
				assert.equal((await run("flock", ["--nonblock", `${content}/${name}`, "true"])).code, 1, `${name} is not locked by the lab that is up`);
			assert.equal((await second("up")).code, 0);
			assert.deepEqual([existsSync(unused), existsSync(used)], [false, true]);
			assert.ok(existsSync(era), "another era's content went");
		} finally {
			if (other.pid) process.kill(-other.pid);
			await second("down");
			for (const folder of [used, era]) await rm(folder, { recursive: true, force: true });
		}
	});

	const size = async (host: string) =>
		(await succeed(`${project}lab/lab`, ["ssh", host, "nproc; grep MemTotal /proc/meminfo; grep -c ^processor /proc/cpuinfo"])).stdout;
	test("a host sees its own size and not the machine's: 2 CPUs, 4 GiB", async () => {
		for (const host of ["k8s-master", "k8s-node01", "k8s-node02"]) assert.match(await size(host), /^2\nMemTotal: +4194304 kB\n2\n$/);
	});

	test("a host that reboots comes back at its address with its files", async () => {
		await lab("ssh", "k8s-node02", "touch /root/kept && systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot");
		await new Promise((resolve) => setTimeout(resolve, 3000));
		let kept = -1;
		for (let i = 0; i < 60 && kept !== 0; i++) {
			kept = (await run(`${project}lab/lab`, ["ssh", "k8s-node02", "test -e /root/kept"])).code;
			await new Promise((resolve) => setTimeout(resolve, 500));
		}
		assert.equal(kept, 0);
		assert.match(await size("k8s-node02"), /MemTotal: +4194304 kB/);
		await lab("reset", "k8s-node02");
	});

	test("a controller of cgroup v1 that can't be mounted is named before anything is made, and nothing stays mounted", async () => {
		const root = await mkdtemp(`${tmpdir()}/played-`);
		try {
			await mkdir(`${root}/proc`);
			await mkdir(`${root}/sys/fs/cgroup`, { recursive: true });
			const v1 = ["cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"].map((name) => `${name}\t1\t1\t1\n`);
			await writeFile(`${root}/proc/cgroups`, `#subsys_name\thierarchy\tnum_cgroups\tenabled\n${v1.join("")}nosuch\t0\t1\t1\n`);
			const { code, output } = await run(`${project}lab/lab`, ["up"], { env: { KUBEADM_LAB_ROOT: root, KUBEADM_LAB_CACHE: `${root}/cache` } });
			assert.equal(code, 1, output);
			assert.match(output, /error: cannot mount control groups \S+; the lab needs every controller of \/proc\/cgroups\n.*nothing was changed/s);
			assert.deepEqual(await readdir(root), ["proc", "sys"]);
			assert.ok(!(await readFile("/proc/mounts", "utf8")).includes(root));
		} finally {
			await rm(root, { recursive: true });
		}
	});

	test("the stack's state is only what is renamed into place: no metadata beside it that a kill could leave empty", async () => {
		const files = await readdir(`${labFolder}/state/.pulumi/stacks/kubeadm-lab`);
		assert.ok(files.includes("lab.json"), files.join(" "));
		assert.deepEqual(
			files.filter((file) => file.endsWith(".attrs")),
			[],
		);
	});

	test("an unknown command or host is refused with what there is", async () => {
		const unknown = await run(`${project}lab/lab`, ["ssh", "nowhere", "true"]);
		assert.notEqual(unknown.code, 0);
		assert.match(unknown.output, /no host named nowhere; the hosts are: k8s-master k8s-node01 k8s-node02/);
		assert.equal((await run(`${project}lab/lab`, ["frobnicate"])).code, 2);
		const era = await run(`${project}lab/lab`, ["up", "--era", "../2020"]);
		assert.match(era.output, /error: --era: found "\.\.\/2020", expected one of: 2020 default upgrade\n/);
		const other = await run(`${project}lab/lab`, ["up", "--era", "2020"]);
		assert.match(other.output, /error: the lab is up in the era default; run lab\/lab down first to have 2020\n/);
	});
});
