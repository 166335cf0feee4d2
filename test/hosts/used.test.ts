// Hosts that somebody used before (lab/used.sh): what is in the way is named before the first change, all else is taken into account.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { controlPlane, hosts, kubectl, lab, onHost, pulumi, pulumiRun, read, workers } from "../e2e/lab.ts";

/** What the preflight says of each defect that it refuses, and where. */
const REFUSED: [string, string[], RegExp][] = [
	["cni", workers, /CNI configuration: found \/etc\/cni\/net\.d\/10-containerd-net\.conflist;/],
	["cni0", workers, /links: found cni0 vx0;/],
	["vxlan", [controlPlane], /links: found vx0;/],
	["route", hosts, /route: found 10\.244\.77\.0\/24 via 172\.16\.1\.1 dev eth1, which overlaps 10\.244\.0\.0\/16;/],
	[
		"input-reject",
		[controlPlane],
		/packet filter: found -A INPUT -j REJECT --reject-with icmp-host-prohibited \(stops tcp 6443, tcp 10250, udp 8472, tcp 6443 from Pods\);/,
	],
	["forward-reject", workers, /packet filter: found -A FORWARD -j REJECT --reject-with icmp-host-prohibited \(stops Pod traffic\);/],
	["boot-reject", hosts, /packet filter at boot: found -A INPUT -p udp -j DROP \(stops udp 8472\);/],
	["kubelet-flags", workers, /kubelet flags: found --hostname-override=oldname in \/etc\/sysconfig\/kubelet; expected k8s-node/],
	["kubelet-unit", hosts, /kubelet flags: found --cgroup-driver=cgroupfs in \/etc\/systemd\/system\/kubelet\.service\.d\/20-old\.conf; expected systemd\./],
	["masked", hosts, /unit: found containerd\.service is masked;/],
	["etcd-data", [controlPlane], /\/var\/lib\/etcd: found backup\.db; expected nothing\./],
	["manifests", workers, /\/etc\/kubernetes\/manifests: found haproxy\.json;/],
	["cpu-state", workers, /kubelet state: found \/var\/lib\/kubelet\/cpu_manager_state of another policy;/],
	["containers", workers, /containers: found 1 running below containerd \(moby;/],
	["lo-only", workers, /address: found 172\.16\.1\.11[12] on lo eth1; expected on one card\./],
	["disk", workers, /room for \/var\/lib\/containerd: found \d+ %; expected at least 15 %/],
];

describe("used hosts", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		await lab("reset");
	});
	after(async () => {
		await pulumi("destroy");
		await lab("reset");
	});

	test("one preview names every defect that is in the way, on each host that has it", async () => {
		await lab("up", "--used=refused");
		const { output } = await pulumiRun("preview");
		for (const [defect, where, shown] of REFUSED)
			for (const host of where)
				assert.ok(
					output.split("\n").some((line) => line.includes(`error: ${host}: `) && shown.test(line)),
					`${defect} of ${host}: ${output}`,
				);
	});

	test("what is taken into account makes a cluster that works, and drift that came since shows and is told", async () => {
		await lab("reset");
		await lab("up", "--used=goes");
		await pulumi("up");
		for (const host of workers)
			assert.match(await kubectl(`get node ${host} -o jsonpath='{.metadata.annotations.flannel\\.alpha\\.coreos\\.com/public-ip}'`), /^172\.16\.1\.11[12]$/);
		assert.match(await read(workers[0] ?? "", "ip -d link show flannel.1"), /local 172\.16\.1\.111 dev eth1/);
		assert.match((await pulumi("preview")).output, /unchanged/);
		for (const host of hosts) assert.equal(await read(host, "grep ip_forward /etc/sysctl.conf"), "#kubeadm-lab# net.ipv4.ip_forward = 0\n");

		await read(workers[1] ?? "", "iptables -I FORWARD -j REJECT; printf '{}' >/etc/cni/net.d/10-containerd-net.conflist");
		const { output } = await pulumi("preview", "--diff", "--refresh=false");
		assert.match(output, /packet filter *: "-A FORWARD -j REJECT/);
		assert.match(output, /CNI configuration *: "\/etc\/cni\/net\.d\/10-containerd-net\.conflist"/);
		const up = await pulumiRun("up", "--refresh=false");
		assert.notEqual(up.code, 0);
		assert.match(up.output, /packet filter: found -A FORWARD -j REJECT .*To go on: delete that rule/);
		await read(workers[1] ?? "", "iptables -D FORWARD -j REJECT; rm /etc/cni/net.d/10-containerd-net.conflist");
		await pulumi("up", "--refresh=false");
	});

	test("after destroy the hosts have what they had", async () => {
		await pulumi("destroy");
		for (const host of hosts) {
			assert.equal(
				await read(host, "grep ip_forward /etc/sysctl.conf; cat /etc/selinux/config /etc/cloud/cloud.cfg; ls /etc/cloud"),
				"net.ipv4.ip_forward = 0\nSELINUX=Enforcing\npreserve_hostname: false\ncloud.cfg\n",
			);
			assert.equal((await onHost(host, "test -f /etc/systemd/system/swapfile.swap -a ! -L /etc/systemd/system/swapfile.swap")).code, 0);
		}
	});
});
