// Hosts, a kubelet, a login's key and an address that are gone when all is to be given back.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { controlPlane, hosts, lab, labFolder, location, messageFile, project, read, run, workers } from "../../e2e/lab.ts";
import { aroundRun, ends, fails, POD_SECONDS } from "../around.ts";
import { areAsBefore } from "../whole.ts";

const [worker = "", other = ""] = workers;
const threeLines = "Hello initContainers\nHello from the postStart handler\nHello from the preStop handler\n";
/** A destroy that waits for a Pod in vain: the bound that README names, podTimeoutSeconds, and for all else in the run as long again (lab, 28 November 2026: 4 and 8 s). */
const POD_DESTROY_SECONDS = 2 * POD_SECONDS;

const otherThan = (node: string) => (node === worker ? other : worker);

/** As a person does with a host that will never come back. */
const forget = async (host: string) => {
	const command = `yes | PULUMI_CONFIG_PASSPHRASE=kubeadm-lab npm run -s forget -- lab ${host}`;
	const { code, output } = await run(`${project}lab/lab`, ["exec", "--", "bash", "-c", command]);
	assert.equal(code, 0, output);
};

const faults = () => {
	const { folder, settings, bare, bringUp, tries } = aroundRun();

	tries(
		"a dead worker with the Pod stops destroy at the Pod, within its bound and with the host's name; forgotten, destroy gives back the others",
		"dead worker with the Pod, then forget",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			await lab("power", node, "off");
			const { output, endSeconds } = await fails("destroy", "--continue-on-error");
			assert.match(output, /lifecycle-demo-pod .*error: timed out waiting for the condition/);
			assert.match(output, new RegExp(`warning: ${node} was not looked at: .*dial tcp`));
			assert.ok(endSeconds < POD_DESTROY_SECONDS, `it took ${endSeconds} s`);
			await forget(node);
			await converges(endSeconds, { alive: hosts.filter((host) => host !== node) });
		},
	);
	tries(
		"a dead worker without the Pod: destroy gives back the other worker and says what to do; forgotten, destroy ends",
		"dead worker without the Pod, then forget",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			const dead = otherThan(node);
			await lab("power", dead, "off");
			const { output, endSeconds } = await fails("destroy", "--continue-on-error");
			assert.match(output, new RegExp(`error: ${dead} witness: undo: .*npm run forget`));
			await areAsBefore(bare, [node]); // the control plane stays while the state has a worker of it
			await forget(dead);
			await converges(endSeconds, { alive: [node, controlPlane] });
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
	tries("a dead control plane stops destroy; forgotten, destroy gives back the workers", "dead control plane, then forget", "destroy", async (converges) => {
		await bringUp();
		await lab("power", controlPlane, "off");
		const { output, endSeconds } = await fails("destroy", "--continue-on-error");
		assert.match(output, /configured Kubernetes cluster is unreachable/);
		for (const host of workers) await read(host, "test -e /etc/kubernetes/kubelet.conf"); // nothing is lost (README): the Pod goes before its Node
		await forget(controlPlane);
		await converges(endSeconds, { alive: workers });
	});
	tries(
		"a login's key that is another by the time of destroy stops it, with what to do, which gives all hosts back",
		"login's key changed, then destroy --run-program",
		"destroy",
		async (converges) => {
			for (const name of ["old", "new"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder(), name)]);
			const publicKey = (name: string) => readFileSync(join(folder(), `${name}.pub`), "utf8").trim();
			const withKey = (name: string) => (text: string) => text.replace(/(sshPrivateKeyFile: ).*/, `$1${join(folder(), name)}`);
			const change = async (from: string, to: string) => {
				for (const host of hosts) await read(host, `sed -i '/ ${from}$/d' /root/.ssh/authorized_keys; echo '${publicKey(to)}' >>/root/.ssh/authorized_keys`);
			};
			await change("none", "old");
			await bringUp(withKey("old"));
			await change("old", "new");
			const args = settings(withKey("new"));
			const { output, endSeconds } = await fails("destroy", ...args);
			assert.match(output, /error: k8s-\w+ \w+: undo: .*unable to authenticate.* another by now: correct the stack, then pulumi destroy --run-program\./);
			await converges(endSeconds, { args: ["--run-program", ...args], thenAlso: () => change("new", "old") });
			assert.match((await read(worker, `cat ${messageFile} 2>/dev/null || true`)) + (await read(other, `cat ${messageFile} 2>/dev/null || true`)), /preStop/);
		},
	);
	tries(
		"a worker's address that is another by the time of destroy stops it, with what to do, which gives all hosts back",
		"worker's address changed, then destroy --run-program",
		"destroy",
		async (converges) => {
			const ADDRESS = "172.16.1.120";
			await bringUp();
			const { node } = await location();
			const moved = otherThan(node);
			const was = `172.16.1.${110 + hosts.indexOf(moved)}`;
			const routes = `ip -4 route show default`;
			const move = (from: string, to: string) =>
				`card=$(ip -o -4 address show | awk '$4 == "${from}/24" {print $2; exit}'); route=$(${routes}); setsid bash -c "sleep 1; ip address delete ${from}/24 dev $card; ip address add ${to}/24 dev $card; [[ -z '$route' ]] || ip route replace $route" >/dev/null 2>&1 &`;
			await read(moved, move(was, ADDRESS));
			const known = readFileSync(join(labFolder, "known_hosts"), "utf8");
			writeFileSync(join(folder(), "known_hosts"), known.replaceAll(`${was} `, `${ADDRESS} `));
			const args = settings((text) =>
				text.replace(`address: ${was}\n`, `address: ${ADDRESS}\n`).replace(/(knownHostsFile: ).*/, `$1${join(folder(), "known_hosts")}`),
			);
			const { output, endSeconds } = await fails("destroy", "--continue-on-error", ...args);
			assert.match(output, new RegExp(`error: ${moved} witness: undo: .* another by now: correct the stack, then pulumi destroy --run-program\\.`));
			const back = async () => {
				const login = ["-i", join(labFolder, "id_ed25519"), "-o", `UserKnownHostsFile=${join(folder(), "known_hosts")}`, `root@${ADDRESS}`];
				await run(`${project}lab/lab`, ["exec", "--", "ssh", ...login, move(ADDRESS, was)]);
				await sleep(3000);
			};
			await converges(endSeconds, { args: ["--run-program", ...args], thenAlso: back });
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
	tries(
		"a worker without the Pod that was installed anew by the time of destroy holds nothing up, and stays as it was installed",
		"worker installed anew, then destroy",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			await lab("reset", otherThan(node));
			await converges(0);
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
	tries(
		"the Pod's worker installed anew by the time of destroy: it stops within its bound at the Pod, and after an up it gives all hosts back",
		"the Pod's worker installed anew, then up and destroy",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			await lab("reset", node);
			const { output, endSeconds } = await fails("destroy");
			assert.match(output, /lifecycle-demo-pod/);
			assert.ok(endSeconds < POD_DESTROY_SECONDS, `it took ${endSeconds} s`);
			// It joins again, whereupon its kubelet lets the Pod go, which the run may still have wanted to change.
			const { code, output: again } = await ends("up");
			if (code !== 0) assert.match(again, /pods "lifecycle-demo-pod" not found/);
			await converges(endSeconds);
		},
	);
	tries(
		"a Pod that stays Terminating, because its kubelet is gone, holds destroy up no longer than its bound",
		"Pod stays Terminating",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			await read(node, "systemctl stop kubelet");
			const { output, endSeconds } = await fails("destroy");
			assert.match(output, /lifecycle-demo-pod/);
			assert.ok(endSeconds < POD_DESTROY_SECONDS, `it took ${endSeconds} s`);
			await read(node, "systemctl start kubelet");
			await converges(endSeconds);
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
};
describe("what is gone at destroy", { concurrency: false }, faults);
