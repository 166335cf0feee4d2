// A played host that preflight takes, as its tests begin.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { FakeHost } from "./fake-host.ts";

export const TRACKING = (offset: string) => `Leap status     : Normal\nSystem time     : ${offset} seconds slow of NTP time`;

/** A host on which every look finds what it wants. */
export function goodHost(t: Pick<TestContext, "after">): FakeHost {
	const host = new FakeHost(t);
	host.write("/run/systemd/system/.keep", "");
	host.write("/etc/os-release", 'NAME="CentOS Linux"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n');
	host.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	host.write("/proc/sys/kernel/hostname", "bare\n");
	host.write("/proc/meminfo", "MemTotal: 4096000 kB\nMemAvailable: 3072000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
	host.write("/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\npids\t5\t1\t1\n");
	host.write("/var/lib/.keep", "");
	host.command("uname", "echo 3.10.0-1062.el7.x86_64");
	host.command("nproc", "echo 2");
	host.write(
		"/addresses",
		"1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 172.16.1.112/24 brd 172.16.1.255 scope global eth0\n3: eth1    inet 10.0.0.112/24 scope global eth1\n",
	);
	host.command("ss", "echo 'State Recv-Q Send-Q Local Address:Port Peer Address:Port'");
	host.command("chronyc", `printf '%s\\n' '${TRACKING("0.000123456")}'`);
	for (const name of ["curl", "flock", "modprobe", "rpm", "timeout", "yum"]) if (name !== "timeout" && name !== "flock") host.command(name);
	return host;
}
/** Its problems, without the host's name in front and the advice behind. */
export function problems(host: FakeHost, changes = {}, name = "k8s-node02"): string[] {
	const { status, stdout, stderr } = host.run("preflight", "apply", changes, name);
	const lines = stderr.split("\n").filter((line) => line.startsWith(`${name}: `));
	assert.equal(status, lines.length > 0 ? 1 : 0, stderr);
	assert.match(stdout, /^os=.*\nkernel=/, "facts are printed of every host");
	return lines.map((line) => line.slice(name.length + 2).replace(/\. To go on: .*\.$/, ""));
}
