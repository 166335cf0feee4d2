// A host before the first change: the facts that are read of it, and every problem at once, each with what to do.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { goodHost, problems, TRACKING } from "./good-host.ts";

test("preflight prints facts of a host without problems", (t) => {
	const { status, stdout, stderr } = goodHost(t).run("preflight", "apply");
	assert.equal(status, 0, stderr);
	assert.equal(
		stdout.replace(/^diskFreeGb=\d+$/m, "diskFreeGb=20").replace(/^alone\t.*\n/gm, ""),
		"os=CentOS Linux 7 (Core)\nkernel=3.10.0-1062.el7.x86_64\ncpus=2\nmemoryMb=4000\ndiskFreeGb=20\ncards=eth0 172.16.1.112/24 eth1 10.0.0.112/24\nclock=-0.000 s by chronyd\nruntime=none\ncluster=none\nkubernetes 1.29=goes\n",
	);
});

test("preflight prints what no other host may have: a short sum of the machine-id, and the MAC address of each card with an address", (t) => {
	const host = goodHost(t);
	for (const [name, mac] of Object.entries({
		lo: "00:00:00:00:00:00",
		eth0: "52:54:00:00:00:12",
		eth1: "52:54:00:00:01:12",
		docker0: "02:42:ac:11:00:02",
		eth9: "52:54:00:00:09:12",
	}))
		host.write(`/sys/class/net/${name}/address`, `${mac}\n`);
	host.write(
		"/addresses",
		"1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 172.16.1.112/24 scope global eth0\n2: eth0    inet 172.16.1.200/32 scope global eth0\n3: eth1@if7    inet 10.0.0.112/24 scope global eth1\n4: docker0    inet 172.17.0.1/16 scope global docker0\n",
	);
	const alone = () => [...host.run("preflight", "apply").stdout.matchAll(/^alone\t([^\t]+)\t([^\t]+)\t(\w+)\t.*\w$/gm)].map(([, ...fields]) => fields);
	const macs = (kind: string) => ["52:54:00:00:00:12", "52:54:00:00:01:12"].map((mac) => ["MAC address of a card", mac, kind]);
	assert.deepEqual(alone(), [["machine-id (sha256)", "3eb1bd439947", "noted"], ...macs("refused")]);
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample-172.16.1.110"); // a Node stays one
	host.write("/var/lib/kubeadm-lab/cluster/node", "k8s-node02");
	for (const id of ["", "uninitialized\n", "0123456789abcdef\n"]) {
		host.write("/etc/machine-id", id);
		assert.deepEqual(alone(), macs("noted"), id);
	}
});

test("preflight tells a runtime, a cluster of ours and a kernel that goes only by override", (t) => {
	const host = goodHost(t);
	host.write("/usr/bin/containerd", "#!/bin/bash\necho 'containerd containerd.io 1.6.33 d2d58213f83a351ca8f528a95fbd145f5654e957'\n");
	host.write("/usr/bin/dockerd", "#!/bin/bash\nexit 1\n");
	for (const name of ["containerd", "dockerd"]) chmodSync(join(host.root, "usr/bin", name), 0o755);
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample-172.16.1.110");
	host.write("/var/lib/kubeadm-lab/cluster/node", "k8s-node02");
	const { stdout } = host.run("preflight", "apply", { RELEASE_MINOR: "33", KERNEL_OVERRIDE: "yes" });
	assert.match(
		stdout,
		/^runtime=containerd 1\.6\.33, dockerd of unknown version\ncluster=sample-172\.16\.1\.110\nkubernetes 1\.33=goes only because of allowUnsupportedKernel$/m,
	);
});

test("preflight changes nothing", (t) => {
	const host = goodHost(t);
	const before = host.snapshot("/");
	host.run("preflight", "apply");
	host.run("preflight", "undo");
	assert.deepEqual({ ...host.snapshot("/"), "/calls": "" }, { ...before, "/calls": "" });
});

test("preflight reports every problem of a host at once, each with what to do", (t) => {
	const host = goodHost(t);
	host.command("nproc", "echo 1");
	host.write("/proc/meminfo", "MemTotal: 1024000 kB\nMemAvailable: 102400 kB\nSwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n");
	host.write("/etc/kubernetes/kubelet.conf", "clusters:\n- cluster:\n    server: https://192.0.2.5:6443\n");
	host.command("chronyc", `printf '%s\\n' '${TRACKING("61.500000000")}'`);
	host.command("ss", "echo 'LISTEN 0 128 *:6443 *:* users:((\"haproxy\",pid=77,fd=4))'");
	const { status, stdout, stderr } = host.run("preflight", "apply", { ADDRESS: "172.16.1.110" }, "k8s-master");
	assert.equal(status, 1);
	assert.match(stdout, /^clock=-61\.500 s by chronyd\nruntime=none\ncluster=one that is not ours\nkubernetes 1\.29=goes$/m);
	assert.deepEqual(stderr.trimEnd().split("\n"), [
		"k8s-master: cluster: found one that is not ours, as bare: /etc/kubernetes/kubelet.conf (https://192.0.2.5:6443); expected none. To go on: choose another host; or, if that cluster may go, run kubeadm reset there and remove these files.",
		"k8s-master: address: found 172.16.1.112 10.0.0.112; expected 172.16.1.110. To go on: correct address in hosts, or give it to one of the network cards.",
		"k8s-master: CPUs: found 1; expected at least 2. To go on: give the control plane more.",
		"k8s-master: memory: found 1000 MB; expected at least 1700 MB. To go on: give the control plane more.",
		"k8s-master: swap: found 1024 MB in use, 100 MB of memory available; expected room to turn swap off. To go on: stop what uses the memory, or give the host more.",
		'k8s-master: port 6443: found in use by "haproxy"; expected free. To go on: stop what listens there: ss -ltnp | grep :6443.',
		"k8s-master: clock: found -61.500 s off (by chronyd); expected at most 5 s. To go on: set it: chronyc makestep, or date -s; then see that chronyd runs and reaches its servers.",
		"k8s-master preflight: error: problems: 7; nothing was changed on this host",
	]);
});

test("preflight check prints the same problems as lines of item, wanted and found", (t) => {
	const host = goodHost(t);
	host.command("nproc", "echo 1");
	const { status, stdout } = host.run("preflight", "check", { ADDRESS: "172.16.1.112" }, "k8s-master");
	assert.equal(status, 3);
	assert.equal(stdout, "CPUs\tat least 2\t1\n");
});

test("CPUs and memory are asked of the control plane only", (t) => {
	const host = goodHost(t);
	host.command("nproc", "echo 1");
	assert.deepEqual(problems(host), []);
});

test("a host of this very cluster passes, with its ports in use", (t) => {
	const host = goodHost(t);
	host.write("/etc/kubernetes/kubelet.conf", "");
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample-172.16.1.110");
	host.write("/var/lib/kubeadm-lab/cluster/node", "k8s-node02");
	host.command("ss", "echo 'LISTEN 0 128 *:10250 *:* users:((\"kubelet\",pid=77,fd=4))'");
	assert.deepEqual(problems(host), []);
});

test("a host of another cluster of ours is refused by name", (t) => {
	const host = goodHost(t);
	host.write("/var/lib/kubeadm-lab/cluster/id", "prod-10.1.1.1");
	assert.deepEqual(problems(host), ["cluster: found prod-10.1.1.1; expected sample-172.16.1.110 or none"]);
});

test("a Node of this cluster under another host name is refused", (t) => {
	const host = goodHost(t);
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample-172.16.1.110");
	host.write("/var/lib/kubeadm-lab/cluster/node", "k8s-node07");
	assert.deepEqual(problems(host), [], "one that was cut off is no Node: the next join resets it");
	host.write("/var/lib/kubeadm-lab/cluster/finished", "yes");
	assert.deepEqual(problems(host), ["host name: found Node k8s-node07 of sample-172.16.1.110; expected k8s-node02"]);
});

test("a host that is another stack's is refused, with whose it is; its own stack's under another name is not", (t) => {
	const host = goodHost(t);
	const OWNER = "0123456789abcdef kubeadm-lab/lab k8s-node02";
	host.write("/var/lib/kubeadm-lab/cluster/id", "other-172.16.1.110");
	host.write("/var/lib/kubeadm-lab/cluster/node", "k8s-node07");
	host.write("/var/lib/kubeadm-lab/system/owner", "fedcba9876543210 kubeadm-lab/other k8s-node07\n");
	assert.deepEqual(problems(host, { OWNER }), [
		"owner: found k8s-node07 of stack kubeadm-lab/other (id fedcba9876543210); expected nobody, or stack kubeadm-lab/lab (id 0123456789abcdef)",
	]);
	const { stderr } = host.run("preflight", "apply", { OWNER });
	assert.match(
		stderr,
		/To go on: run pulumi destroy for that stack first; only if its state is lost, remove \/var\/lib\/kubeadm-lab\/\*\/owner on this host: its work then counts as this stack's\.$/m,
	);
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample-172.16.1.110");
	for (const name of ["k8s-node02", "k8s-nodeo2"]) {
		host.write("/var/lib/kubeadm-lab/system/owner", `0123456789abcdef kubeadm-lab/lab ${name}\n`);
		assert.deepEqual(problems(host, { OWNER }), []);
	}
});

test("an etcd that is somebody else's stands in the way of a control plane, not of a worker", (t) => {
	const host = goodHost(t);
	host.write("/var/lib/etcd/member/snap/db", "precious");
	assert.deepEqual(problems(host), []);
	assert.deepEqual(problems(host, { ADDRESS: "172.16.1.112" }, "k8s-master"), [
		"cluster: found one that is not ours, as bare: /var/lib/etcd/member; expected none",
	]);
});

test("kernel 3.10 goes up to 1.31, and further only with the override", (t) => {
	const host = goodHost(t);
	assert.deepEqual(problems(host, { RELEASE_MINOR: 31 }), []);
	assert.deepEqual(problems(host, { RELEASE_MINOR: 32 }), ["kernel: found 3.10.0-1062.el7.x86_64; expected at least 4.19 for Kubernetes 1.32"]);
	assert.deepEqual(problems(host, { RELEASE_MINOR: 32, KERNEL_OVERRIDE: true }), []);
	const verdict = (minor: number) => host.run("preflight", "apply", { RELEASE_MINOR: minor }).stdout.match(/^kubernetes .*$/m)?.[0];
	assert.equal(verdict(32), "kubernetes 1.32=needs an override (allowUnsupportedKernel): kernel 3.10.0-1062.el7.x86_64, at least 4.19 for Kubernetes 1.32");
	host.command("uname", "echo 3.2.0");
	assert.equal(verdict(29), "kubernetes 1.29=refused: kernel 3.2.0, at least 3.10 for Kubernetes 1.29");
	for (const KERNEL_OVERRIDE of [false, true])
		assert.deepEqual(problems(host, { KERNEL_OVERRIDE }), ["kernel: found 3.2.0; expected at least 3.10 for Kubernetes 1.29"], "no override goes that far");
});

test("a kernel without the pids cgroup is refused", (t) => {
	const host = goodHost(t);
	host.write("/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t5\t1\t1\n");
	assert.deepEqual(problems(host), ["cgroups: found no pids controller; expected pids"]);
});

test("a card whose mask takes in the Pod network is refused", (t) => {
	const host = goodHost(t);
	host.command(
		"ip",
		"printf '%s\\n' '2: eth0    inet 172.16.1.112/24 scope global eth0' '3: eth1    inet 10.0.0.112/8 scope global eth1' '4: cni0    inet 10.244.1.1/24 scope global cni0'",
	);
	assert.deepEqual(problems(host), [
		"network: found eth1 has 10.0.0.112/8, which overlaps 10.244.0.0/16; expected Pod and Service networks apart from the cards",
		"network: found eth1 has 10.0.0.112/8, which overlaps 10.96.0.0/12; expected Pod and Service networks apart from the cards",
	]);
});

test("where chronyd does not know, the clock is compared with the time source's Date, its age in a cache added", (t) => {
	const host = goodHost(t);
	host.command("chronyc", "echo 'Leap status     : Not synchronised'");
	host.command("curl", `printf 'HTTP/1.1 200 OK\\r\\nDate: %s\\r\\nAge: 100\\r\\n\\r\\n' "$(date -u -d '100 seconds ago' '+%a, %d %b %Y %H:%M:%S GMT')"`);
	assert.match(host.run("preflight", "apply").stdout, /^clock=\+0 s by http:\/\/172\.16\.1\.1:8080\/$/m);
	host.command("curl", `printf 'HTTP/1.1 200 OK\\r\\nDate: %s\\r\\n\\r\\n' "$(date -u -d '1 hour' '+%a, %d %b %Y %H:%M:%S GMT')"`);
	assert.match(problems(host)[0] ?? "", /^clock: found -3(600|599) s off \(by http:\/\/172\.16\.1\.1:8080\/\); expected at most 5 s$/);
});

test("a clock that could not be compared is no problem, and the facts say so", (t) => {
	const host = goodHost(t);
	host.command("chronyc", "exit 1");
	host.command("curl", "exit 7");
	assert.match(host.run("preflight", "apply").stdout, /^clock=not compared: no answer from http:\/\/172\.16\.1\.1:8080\/$/m);
	assert.match(host.run("preflight", "apply", { TIME_SOURCE: "" }).stdout, /^clock=not compared: no time source$/m);
});

test("without root nothing is looked at", (t) => {
	const host = goodHost(t);
	const text = host.text("preflight").replace(`ROOT="\${KUBEADM_LAB_ROOT:-}"`, "ROOT=''");
	const { status, stderr } = host.bash(`if [[ "\${EUID}" == 0 ]]; then exec setpriv --reuid 65534 --clear-groups bash -s -- apply; fi\n${text}`, "apply");
	assert.equal(status, 1);
	assert.match(stderr, /k8s-node02 preflight: error: runs as .*, expected root\. Connect as root, or let this user run sudo without a password/);
});

test("who listens on a port is named also where there are blanks in the name, or nobody says who", (t) => {
	const host = goodHost(t);
	const listens = (users: string) => host.command("ss", `printf '%s\\n' 'LISTEN 0      128          0.0.0.0:10250      0.0.0.0:*    ${users}'`);
	const found = (who: string) => [`port 10250: found in use by ${who}; expected free`];
	listens('users:(("my old, kubelet",pid=77,fd=4),("other",pid=78,fd=4))');
	assert.deepEqual(problems(host), found('"my old, kubelet"'));
	listens("");
	assert.deepEqual(problems(host), found("a process"));
});

test("a good host is looked at once, its cards by one reading", (t) => {
	const host = goodHost(t);
	assert.deepEqual(problems(host, { CLUSTER_POD_CIDR: "10.244.0.0/16", SERVICE_CIDR: "10.96.0.0/12" }), []);
	assert.equal(
		host
			.read("/calls")
			.split("\n")
			.filter((line) => line === "ip -o -4 address show").length,
		1,
	);
});

test("a proxy that does not answer is a problem; through one that does, a repository is asked for the time", async (t) => {
	const host = goodHost(t);
	const server = createServer().listen(0, "127.0.0.1");
	t.after(() => server.close());
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	host.command("chronyc", "exit 1");
	host.command("curl", `date -u '+Date: %a, %d %b %Y %H:%M:%S GMT'`);
	const proxy = `http://127.0.0.1:${port}`;
	assert.deepEqual(problems(host, { PROXIES: [proxy], TIME_SOURCE: "http://192.0.2.1/", TIME_PROXY: proxy }), []);
	assert.match(host.calls().find((call) => call.startsWith("curl ")) ?? "", new RegExp(` --proxy ${proxy} -- http://192\\.0\\.2\\.1/$`));
	assert.deepEqual(problems(host, { PROXIES: ["http://127.0.0.1:1"] }), [
		"proxy: found no answer at http://127.0.0.1:1; expected a proxy that this host reaches",
	]);
});

test("a point-to-point link, whose own end has no mask, is a card like others, and its other end is what it reaches", (t) => {
	const host = goodHost(t);
	const tun = (peer: string) =>
		host.command(
			"ip",
			`printf '%s\\n' '2: eth0    inet 172.16.1.112/24 brd 172.16.1.255 scope global eth0' '2: eth0    inet 172.16.1.113/24 scope global secondary eth0:1' '5: tun0    inet 10.8.0.6 peer ${peer} scope global tun0' '6: veth1@if5    inet 192.0.2.9/30 scope global veth1'`,
		);
	tun("10.8.0.5/32");
	const { status, stdout, stderr } = host.run("preflight", "apply", { CLUSTER_POD_CIDR: "10.244.0.0/16", SERVICE_CIDR: "10.96.0.0/12" });
	assert.equal(status, 0, stderr);
	assert.doesNotMatch(stderr, /syntax error/);
	assert.match(stdout, /^cards=eth0 172\.16\.1\.112\/24 eth0 172\.16\.1\.113\/24 tun0 10\.8\.0\.6\/32 veth1 192\.0\.2\.9\/30$/m);
	tun("10.244.3.1/24");
	assert.match(
		host.run("preflight", "apply", { CLUSTER_POD_CIDR: "10.244.0.0/16" }).stderr,
		/network: found tun0 has 10\.244\.3\.1\/24, which overlaps 10\.244\.0\.0\/16/,
	);
});
