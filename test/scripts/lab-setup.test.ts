// lab/setup with a played apt and dpkg: what it newly installs is disabled, and nothing else is touched. Really run: test/vm/run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, symlinkSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FakeHost } from "./fake-host.ts";

const setup = fileURLToPath(new URL("../../lab/setup", import.meta.url));
const POLICY = "/usr/sbin/policy-rc.d";
/** As Debian 12's packages bring them; helper is one that docker-registry depends on. */
const FILES: Record<string, string[]> = {
	"docker-registry": ["/etc/init.d/docker-registry", "/lib/systemd/system/docker-registry.service", "/usr/bin/docker-registry"],
	lxcfs: ["/etc/init.d/lxcfs", "/lib/systemd/system/lxcfs.service"],
	"openssh-server": ["/etc/init.d/ssh", "/lib/systemd/system/ssh.service", "/lib/systemd/system/ssh.socket"],
	helper: ["/usr/lib/systemd/user/helper.socket", "/usr/lib/systemd/system/helper.timer"],
};

/** A machine with every package but `missing`. apt-get prints as apt 2.6.1 does, with one upgrade among it. */
function machine(test: ConstructorParameters<typeof FakeHost>[0], missing: string[]) {
	const host = new FakeHost(test);
	for (const name of missing) host.write(`/missing/${name}`, "");
	for (const [name, files] of Object.entries(FILES)) {
		host.write(`/files/${name}`, `${files.join("\n")}\n`);
		for (const file of files) host.write(file, "");
	}
	host.write("/usr/sbin/.keep", "");
	symlinkSync("ssh.service", `${host.root}/lib/systemd/system/sshd.service`);
	host.command("dpkg-query", `[[ -e "\${KUBEADM_LAB_ROOT}/missing/\${@: -1}" ]] || printf installed`);
	host.command("dpkg", `cat "\${KUBEADM_LAB_ROOT}/files/$2" 2>/dev/null; [[ "$2" != openssh-server ]] || echo /lib/systemd/system/sshd.service`);
	host.command("id", "echo 0");
	host.command("update-rc.d");
	host.command("systemctl");
	host.command(
		"apt-get",
		`cp "\${KUBEADM_LAB_ROOT}${POLICY}" "\${KUBEADM_LAB_ROOT}/policy"
case " $* " in
*" --simulate "*)
  for name in "\${KUBEADM_LAB_ROOT}"/missing/*; do echo "Inst \${name##*/} (1.0 Debian:12.15/oldstable [amd64])"; done
  echo 'Inst libc6 [2.36-9] (2.36-10 Debian:12.15/oldstable [amd64])' ;;
*" install "*)
  [[ ! -e "\${KUBEADM_LAB_ROOT}/fails" ]] || { rm "\${KUBEADM_LAB_ROOT}/missing/lxcfs"; echo 'E: no network'; exit 100; }
  rm "\${KUBEADM_LAB_ROOT}"/missing/*
  [[ ! -e "\${KUBEADM_LAB_ROOT}/killed" ]] || kill -KILL "$(ps -o ppid= "\${PPID}" | tr -dc 0-9)" ;;
esac`,
	);
	return host;
}
function run(host: FakeHost) {
	const env = { ...process.env, PATH: `${host.root}/bin:${process.env.PATH}`, KUBEADM_LAB_ROOT: host.root, KUBEADM_LAB_CACHE: `${host.root}/cache` };
	const { status, stderr } = spawnSync("bash", [setup], { encoding: "utf8", env });
	const changes = host.exists("/calls") ? host.calls().filter((line) => /^(systemctl|update-rc\.d) /.test(line)) : [];
	return { status, stderr, changes };
}
const OF_TWO = ["update-rc.d docker-registry disable", "update-rc.d lxcfs disable", "systemctl disable docker-registry.service lxcfs.service"];

test("lab/setup disables the units of what it newly installs, what they depend on included, and nothing that was there before", (t) => {
	const host = machine(t, ["docker-registry", "helper", "lxcfs"]);
	const { status, stderr, changes } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(changes, [
		...OF_TWO.slice(0, 2),
		"systemctl disable docker-registry.service helper.timer lxcfs.service",
		"systemctl --global disable helper.socket",
	]);
	assert.match(host.read("/policy"), /^exit 101$/m, "while apt-get ran");
	assert.equal(host.exists(POLICY), false);
	assert.deepEqual(run(host).changes, changes, "a second run has nothing to do");
});

test("lab/setup disables an sshd only where it installed it; a second name of a unit is passed over", (t) => {
	const host = machine(t, ["openssh-server"]);
	assert.deepEqual(run(host).changes, ["update-rc.d ssh disable", "systemctl disable ssh.service ssh.socket"]);
});

test("lab/setup leaves a policy-rc.d that was there as it is", (t) => {
	const host = machine(t, ["lxcfs"]);
	host.write(POLICY, "#!/bin/sh\nexit 104\n");
	chmodSync(`${host.root}${POLICY}`, 0o755);
	assert.equal(run(host).status, 0);
	assert.equal(host.read(POLICY), "#!/bin/sh\nexit 104\n");
});

test("lab/setup after one that was killed when apt-get was done disables what that one installed, and removes its policy-rc.d", (t) => {
	const host = machine(t, ["docker-registry", "lxcfs"]);
	host.write("/killed", "");
	assert.notEqual(run(host).status, 0);
	assert.ok(host.exists(POLICY));
	assert.deepEqual(host.snapshot("/missing"), {});
	const { status, stderr, changes } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(changes, OF_TWO);
	assert.equal(host.exists(POLICY), false);
});

test("lab/setup whose apt-get fails disables what it got to and forgets the rest, which somebody else may install", (t) => {
	const host = machine(t, ["docker-registry", "lxcfs"]);
	host.write("/fails", "");
	const { status, stderr, changes } = run(host);
	assert.equal(status, 1);
	assert.match(stderr, /E: no network\n.*apt-get could not install them/s);
	assert.deepEqual(changes, ["update-rc.d lxcfs disable", "systemctl disable lxcfs.service"]);
	assert.equal(host.exists(POLICY), false);
	assert.equal(host.exists("/cache/apt.new"), false);
});
