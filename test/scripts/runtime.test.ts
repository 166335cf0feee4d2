// The container runtime's files and services: set, restarted where needed, given back.
import assert from "node:assert/strict";
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const SHIPPED = 'disabled_plugins = ["cri"]\n';
function preparedHost(t: TestContext): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/containerd/config.toml", SHIPPED);
	for (const name of ["crictl", "journalctl", "docker"]) host.command(name);
	return host;
}
const restarts = (host: FakeHost) =>
	host
		.calls()
		.filter((call) => /^systemctl (start|restart|stop) /.test(call))
		.map((call) => call.replace(" -- ", " "));

test("runtime writes containerd's files, starts it and enables the kubelet without starting it", (t) => {
	const host = preparedHost(t);
	const { status, stderr } = host.run("runtime", "apply");
	assert.equal(status, 0, stderr);
	assert.match(host.read("/etc/containerd/config.toml"), /SystemdCgroup = true/);
	assert.match(host.read("/etc/containerd/certs.d/docker.io/hosts.toml"), /^server = "https:\/\/docker\.io"$/m);
	assert.match(host.read("/etc/crictl.yaml"), /^runtime-endpoint: unix:/);
	assert.deepEqual(restarts(host), ["systemctl restart containerd.service"]);
	assert.equal(host.read("/units/kubelet.enabled"), "enabled\n");
	assert.equal(host.run("runtime", "check").status, 0);
});

test("a changed mirror needs no restart, a changed config.toml does", (t) => {
	const host = preparedHost(t);
	host.run("runtime", "apply");
	host.forgetCalls();
	host.run("runtime", "apply", { MIRRORS: ['quay.io\nserver = "https://quay.io"\n'] });
	assert.deepEqual(restarts(host), []);
	assert.equal(host.exists("/etc/containerd/certs.d/docker.io/hosts.toml"), false);
	assert.equal(host.read("/etc/containerd/certs.d/quay.io/hosts.toml"), 'server = "https://quay.io"\n');
	host.run("runtime", "apply", { CONTAINERD_CONFIG: "version = 2\n" });
	assert.deepEqual(restarts(host), ["systemctl restart containerd.service"]);
});

test("a changed mode is a difference, and put right without a restart", (t) => {
	const host = preparedHost(t);
	assert.equal(host.run("runtime", "apply").status, 0);
	const config = join(host.root, "etc/containerd/config.toml");
	const before = restarts(host);
	chmodSync(config, 0o600);
	assert.equal(host.run("runtime", "check").stdout, "mode /etc/containerd/config.toml\t644\t600\n");
	assert.equal(host.run("runtime", "apply").status, 0);
	assert.equal(statSync(config).mode & 0o777, 0o644);
	assert.deepEqual(restarts(host), before);
});

const DOCKER_RULES = `*nat
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.0.0.0/8 -m comment --comment "ours \\"quoted\\" docker" -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
`;
test("what Docker leaves when it stops goes with it: its bridge, its rules and chains by their names, the policy that it set; nobody else's rule does", (t) => {
	const host = preparedHost(t);
	const settings = { RUNTIME_KIND: "docker", DOCKER_CONFIG: "{}\n" };
	for (const tool of ["iptables", "ip6tables"]) {
		host.command(`${tool}-save`, `[[ "$*" != *filter ]] || echo ':FORWARD ACCEPT [0:0]'; [[ "$*" != *nat ]] || cat "\${KUBEADM_LAB_ROOT}/${tool}" 2>/dev/null`);
		host.command(tool);
	}
	host.command("ip", `rm -rf "\${KUBEADM_LAB_ROOT}/sys/class/net/docker0"`);
	assert.equal(host.run("runtime", "apply", settings).status, 0);
	host.write("/sys/class/net/docker0/address", "02:42:00:00:00:01\n");
	host.write("/iptables", DOCKER_RULES);
	host.forgetCalls();
	const { status, stderr } = host.run("runtime", "undo", settings);
	assert.equal(status, 0, stderr);
	assert.equal(host.exists("/sys/class/net/docker0"), false);
	assert.deepEqual(
		host.calls().filter((call) => /^ip6?tables /.test(call)),
		[
			"iptables -w -t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
			"iptables -w -t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
			"iptables -w -t nat -F DOCKER",
			"iptables -w -t nat -X DOCKER",
			"iptables -w -P FORWARD ACCEPT",
		],
	);
});
test("a Docker whose bridge was there before keeps it, and its rules", (t) => {
	const host = preparedHost(t);
	const settings = { RUNTIME_KIND: "docker", DOCKER_CONFIG: "{}\n" };
	host.command("iptables-save", `[[ "$*" != *nat ]] || cat "\${KUBEADM_LAB_ROOT}/rules"`);
	host.command("iptables");
	host.write("/rules", DOCKER_RULES);
	host.write("/sys/class/net/docker0/address", "02:42:00:00:00:01\n");
	assert.equal(host.run("runtime", "apply", settings).status, 0);
	assert.equal(host.run("runtime", "undo", settings).status, 0);
	assert.equal(host.exists("/sys/class/net/docker0"), true);
	assert.deepEqual(
		host.calls().filter((call) => /^iptables /.test(call)),
		[],
	);
});

test("a restart that a killed run owed is made up for", (t) => {
	const host = preparedHost(t);
	const real = host.read("/bin/systemctl");
	host.write(
		"/bin/systemctl",
		`#!/bin/bash\n[[ "$1" != restart ]] || { kill -9 "$(awk '{print $4}' /proc/$PPID/stat)"; exit 1; }\n${real.replace("#!/bin/bash\n", "")}`,
	);
	assert.equal(host.run("runtime", "apply").status, null);
	assert.match(host.run("runtime", "check").stdout, /^containerd restart\tdone\tdue$/m);
	host.write("/bin/systemctl", real);
	host.forgetCalls();
	assert.equal(host.run("runtime", "apply").status, 0);
	assert.deepEqual(restarts(host), ["systemctl restart containerd.service"]);
	assert.equal(host.run("runtime", "check").status, 0);
});

test("runtime undo gives back the shipped configuration, folders and services as they were", (t) => {
	for (const state of ["inactive", "active"]) {
		const host = preparedHost(t);
		host.write("/units/containerd.active", `${state}\n`);
		const before = host.snapshot("/etc");
		host.run("runtime", "apply");
		for (let i = 0; i < 2; i++) {
			const { status, stderr } = host.run("runtime", "undo");
			assert.equal(status, 0, stderr);
			assert.deepEqual(host.snapshot("/etc"), before);
			assert.equal(host.read("/units/containerd.active"), `${state}\n`);
			assert.equal(host.read("/units/kubelet.enabled"), "disabled\n");
			assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
		}
		assert.ok(restarts(host).filter((call) => call === "systemctl restart containerd.service").length === (state === "active" ? 2 : 1), state);
		assert.equal(host.run("runtime", "check").status, 3);
	}
});

test("a runtime that does not answer is shown with the end of its journal", (t) => {
	const host = preparedHost(t);
	host.command("crictl", "echo 'unknown service runtime.v1.RuntimeService'; exit 1");
	host.command("journalctl", "echo 'containerd: failed to load plugin'");
	const text = host.text("runtime").replace("wait_for 60 runtime_answers", "wait_for 1 runtime_answers");
	const { status, stderr } = host.bash(text, "apply");
	assert.equal(status, 1);
	assert.match(
		stderr,
		/containerd: failed to load plugin\n.*error: containerd\.service: no answer in 60 s; last: unknown service runtime\.v1\.RuntimeService\./,
	);
});

test("Docker gets its daemon.json and no file of containerd", (t) => {
	const host = preparedHost(t);
	const settings = { RUNTIME_KIND: "docker", DOCKER_CONFIG: '{"exec-opts": ["native.cgroupdriver=systemd"]}\n' };
	const { status, stderr } = host.run("runtime", "apply", settings);
	assert.equal(status, 0, stderr);
	assert.equal(host.read("/etc/docker/daemon.json"), settings.DOCKER_CONFIG);
	assert.equal(host.read("/etc/containerd/config.toml"), SHIPPED);
	assert.deepEqual(restarts(host), ["systemctl restart docker.service"]);
	host.run("runtime", "undo", settings);
	assert.equal(host.exists("/etc/docker"), false);
});

test("a Docker that somebody runs with a daemon.json of its own gets that back, started anew with it, and goes on", (t) => {
	const host = preparedHost(t);
	const settings = { RUNTIME_KIND: "docker", DOCKER_CONFIG: "{}\n" };
	const theirs = '{"data-root": "/srv/docker"}\n';
	host.write("/etc/docker/daemon.json", theirs);
	for (const unit of ["docker", "docker.socket"]) {
		host.write(`/units/${unit}.enabled`, "enabled\n");
		host.write(`/units/${unit}.active`, "active\n");
	}
	assert.equal(host.run("runtime", "apply", settings).status, 0);
	assert.equal(host.read("/etc/docker/daemon.json"), settings.DOCKER_CONFIG);
	host.forgetCalls();
	const { status, stderr } = host.run("runtime", "undo", settings);
	assert.equal(status, 0, stderr);
	assert.equal(host.read("/etc/docker/daemon.json"), theirs);
	assert.deepEqual(restarts(host), ["systemctl restart docker.service"]);
	for (const unit of ["docker", "docker.socket"])
		assert.deepEqual([host.read(`/units/${unit}.enabled`), host.read(`/units/${unit}.active`)], ["enabled\n", "active\n"], unit);
});

test("on a control plane a restart of Docker is over when the API server answers again; without a kubelet nobody waits", (t) => {
	const host = preparedHost(t);
	const settings = { RUNTIME_KIND: "docker", DOCKER_CONFIG: "{}\n" };
	const asked = () => host.calls().filter((call) => call.startsWith("curl ")).length;
	host.command("curl", `[[ "$(grep -c ^curl "\${KUBEADM_LAB_ROOT}/calls")" -ge 3 ]]`);
	host.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "");
	assert.equal(host.run("runtime", "apply", settings).status, 0);
	assert.equal(asked(), 0);
	host.write("/units/kubelet.active", "active\n");
	assert.equal(host.run("runtime", "apply", { ...settings, DOCKER_CONFIG: "{ }\n" }).status, 0);
	assert.equal(asked(), 3);
	assert.match(host.calls().at(-1) ?? "", / https:\/\/127\.0\.0\.1:6443\/readyz$/);
	assert.equal(host.run("runtime", "apply", { ...settings, DOCKER_CONFIG: "{ }\n" }).status, 0);
	assert.equal(asked(), 3, "nothing was restarted");
});

for (const kind of ["containerd", "docker"])
	test(`a proxy reaches ${kind} by a drop-in that is read before the restart; taken out of the settings or undone, it is gone the same way`, (t) => {
		const host = preparedHost(t);
		const file = `/etc/systemd/system/${kind}.service.d/zz-kubeadm-lab-proxy.conf`;
		const runtime = { RUNTIME_KIND: kind, DOCKER_CONFIG: "{}\n" };
		const settings = { ...runtime, PROXY_DROP_IN: '[Service]\nEnvironment="HTTP_PROXY=http://a:1"\n' };
		const changes = () =>
			host
				.calls()
				.filter((call) => /^systemctl (daemon-reload|restart)/.test(call))
				.map((call) => call.replace(" -- ", " "));
		assert.equal(host.run("runtime", "apply", runtime).status, 0);
		const both = ["systemctl daemon-reload", `systemctl restart ${kind}.service`];
		for (const [wanted, calls] of [
			[settings, both],
			[settings, []],
			[runtime, both],
			[settings, both],
		] as const) {
			host.forgetCalls();
			const { status, stderr } = host.run("runtime", "apply", wanted);
			assert.equal(status, 0, stderr);
			assert.deepEqual(changes(), calls);
			assert.equal(host.exists(file) && host.read(file), wanted === settings && settings.PROXY_DROP_IN);
			assert.equal(host.run("runtime", "check", wanted).status, 0);
		}
		host.write("/units/other", "");
		host.forgetCalls();
		assert.equal(host.run("runtime", "undo", settings).status, 0);
		assert.equal(changes()[0], "systemctl daemon-reload");
		assert.equal(host.exists(`/etc/systemd`), false);
	});
test("a reload of systemd that a killed run owed is made up for, with the restart behind it", (t) => {
	const host = preparedHost(t);
	const settings = { PROXY_DROP_IN: '[Service]\nEnvironment="HTTP_PROXY=http://a:1"\n' };
	assert.equal(host.run("runtime", "apply").status, 0);
	const real = host.read("/bin/systemctl");
	host.write(
		"/bin/systemctl",
		`#!/bin/bash\n[[ "$1" != daemon-reload ]] || { kill -9 "$(awk '{print $4}' /proc/$PPID/stat)"; exit 1; }\n${real.replace("#!/bin/bash\n", "")}`,
	);
	assert.equal(host.run("runtime", "apply", settings).status, null);
	assert.match(host.run("runtime", "check", settings).stdout, /^systemd reload\tdone\tdue$/m);
	host.write("/bin/systemctl", real);
	host.forgetCalls();
	assert.equal(host.run("runtime", "apply", settings).status, 0);
	assert.deepEqual(restarts(host), ["systemctl restart containerd.service"]);
});
