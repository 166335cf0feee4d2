// Hosts that can't become what was asked for: every problem is named before the first change on any of them.
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, afterEach, before, describe, test } from "node:test";
import { hosts, lab, labFolder, onHost, project, pulumi, pulumiRun, read } from "./lab.ts";
import { differences, snapshot } from "./snapshot.ts";

describe("bad hosts", { concurrency: false }, () => {
	const bare = new Map<string, Set<string>>();
	let folder = "";
	/** Runs up with the lab's settings after `edit`, in a copy of the stack's file. */
	const upWith = async (edit: (text: string) => string) => {
		const file = `${folder}/Pulumi.lab.yaml`;
		await writeFile(file, edit(await readFile(`${project}Pulumi.lab.yaml`, "utf8")));
		return pulumiRun("up", "--config-file", file);
	};
	const unchanged = async () => {
		for (const host of hosts) {
			// The test's own marks are on the hosts, nothing else may be.
			const left = differences(bare.get(host) ?? new Set(), await snapshot(host)).filter(
				(line) => !/ \/(var\/log|var\/lib\/(chrony|systemd)|etc\/kubernetes|root\/\.ssh)/.test(line),
			);
			assert.deepEqual(left, [], `${host} was changed`);
		}
	};

	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/bad-hosts-`);
		await lab("up");
		await lab("reset");
		for (const host of hosts) bare.set(host, await snapshot(host));
	});
	// A preflight that passed is not run again by the next up (docs/hosts.md), so each test starts with an empty stack.
	afterEach(async () => {
		await pulumi("destroy");
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	test("problems of several hosts are all reported in one run and nothing is changed on any", async () => {
		try {
			for (const host of ["k8s-master", "k8s-node01"]) await read(host, "mkdir -p /etc/kubernetes && printf 'somebody else' >/etc/kubernetes/kubelet.conf");
			await read("k8s-node01", "systemd-run --quiet --unit=taken systemd-socket-activate --listen=10250 cat");
			const { code, output } = await pulumiRun("up");
			assert.notEqual(code, 0);
			assert.match(output, /k8s-master: cluster: found one that is not ours.*kubelet\.conf/);
			assert.match(output, /k8s-node01: cluster: found one that is not ours.*kubelet\.conf/);
			assert.match(output, /k8s-node01: .*10250/);
			assert.doesNotMatch(output, /-(identity|packages|system) creat/);
			await read("k8s-node01", "systemctl stop taken");
			await unchanged();
			assert.equal(await read("k8s-node01", "cat /etc/kubernetes/kubelet.conf"), "somebody else");
		} finally {
			for (const host of ["k8s-master", "k8s-node01"]) await read(host, "rm -r /etc/kubernetes; systemctl stop taken 2>/dev/null || true");
		}
	});

	test("a wrong host key stops everything before a change", async () => {
		const known = `${labFolder}/known_hosts`;
		await copyFile(known, `${folder}/known_hosts`);
		try {
			const lines = (await readFile(known, "utf8")).trim().split("\n");
			const [first, second] = [lines[0]?.split(" ").slice(1).join(" "), lines[1]?.split(" ")[0]];
			await writeFile(`${folder}/wrong`, `${[lines[0], `${second} ${first}`, lines[2]].join("\n")}\n`);
			const { code, output } = await upWith((text) => text.replace("$KUBEADM_LAB/known_hosts", `${folder}/wrong`));
			assert.notEqual(code, 0);
			assert.match(output, /k8s-node01-preflight[\s\S]*host key mismatch/);
		} finally {
			await copyFile(`${folder}/known_hosts`, known);
		}
		await unchanged();
	});

	test("a refused key stops everything before a change", async () => {
		await read(
			"k8s-node02",
			"cp -a /root/.ssh/authorized_keys /root/.ssh/kept && systemd-run --quiet --timer-property=AccuracySec=100ms --on-active=12 mv /root/.ssh/kept /root/.ssh/authorized_keys && : >/root/.ssh/authorized_keys",
		);
		const { code, output } = await pulumiRun("up");
		assert.notEqual(code, 0);
		assert.match(output, /k8s-node02-preflight[\s\S]*unable to authenticate/);
		for (let i = 0; i < 40 && (await onHost("k8s-node02", "true")).code !== 0; i++) await new Promise((resolve) => setTimeout(resolve, 500));
		await unchanged();
	});

	test("an unreachable host stops everything before a change", async () => {
		await read(
			"k8s-node02",
			"systemd-run --quiet --timer-property=AccuracySec=100ms --on-active=15 systemctl start sshd.service && systemctl stop sshd.service sshd.socket 2>/dev/null; true",
		);
		const { code, output } = await pulumiRun("up");
		assert.notEqual(code, 0);
		assert.match(output, /k8s-node02-preflight[\s\S]*(connection refused|ECONNREFUSED)/);
		for (let i = 0; i < 60 && (await onHost("k8s-node02", "true")).code !== 0; i++) await new Promise((resolve) => setTimeout(resolve, 500));
		await unchanged();
	});

	test("a user without sudo stops everything before a change", async () => {
		await read(
			"k8s-node01",
			"useradd -m plain && install -d -m 700 -o plain /home/plain/.ssh && install -m 600 -o plain /root/.ssh/authorized_keys /home/plain/.ssh/",
		);
		bare.set("k8s-node01", await snapshot("k8s-node01"));
		const { code, output } = await upWith((text) => text.replace("address: 172.16.1.111", "address: 172.16.1.111\n      user: plain"));
		assert.notEqual(code, 0);
		assert.match(output, /k8s-node01-preflight[\s\S]*sudo/);
		await unchanged();
	});

	test("an address that is not on the machine stops everything before a change", async () => {
		// The host answers at .99 for itself, as behind a NAT: ssh reaches it there, and no card of it has the address.
		await read(
			"k8s-node02",
			"iptables -t nat -A PREROUTING -d 172.16.1.99 -j DNAT --to 172.16.1.112; ip neigh add proxy 172.16.1.99 dev eth1; sysctl -qw net.ipv4.conf.eth1.proxy_arp=1; ip route add local 172.16.1.99 dev lo",
		);
		bare.set("k8s-node02", await snapshot("k8s-node02"));
		const known = await readFile(`${labFolder}/known_hosts`, "utf8");
		await writeFile(`${folder}/known`, known.replace("172.16.1.112", "172.16.1.99"));
		const { code, output } = await upWith((text) =>
			text.replace("address: 172.16.1.112", "address: 172.16.1.99").replace("$KUBEADM_LAB/known_hosts", `${folder}/known`),
		);
		assert.notEqual(code, 0);
		assert.match(output, /k8s-node02[\s\S]*172\.16\.1\.99/);
		await unchanged();
	});
});
