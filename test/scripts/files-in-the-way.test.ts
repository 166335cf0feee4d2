// What is in the way of a change: a mount, an attribute, a read-only file system.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { FakeHost, WRITER } from "./fake-host.ts";

/** In a mount namespace of its own, at the host's root. */
const withMounts = (host: FakeHost, commands: string, input = WRITER) =>
	spawnSync(
		"unshare",
		[...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount", "bash", "-euc", `text="$(cat)"; step() { bash -s -- "$1" <<<"$text"; }\n${commands}`],
		{
			input,
			encoding: "utf8",
			cwd: host.root,
			env: { ...process.env, KUBEADM_LAB_ROOT: host.root },
		},
	);

/** What stands in the way of a change: to make it, to take it away, what is told. chattr is for the real root alone. */
const IN_THE_WAY: [what: string, make: string, end: string, told: RegExp][] = [
	[
		"is a mount of its own",
		"mount --bind etc/app/app.conf etc/app/app.conf",
		"umount etc/app/app.conf",
		/\/etc\/app\/app\.conf is a mount of its own\. To go on: umount/,
	],
	[
		"is on a read-only file system",
		"mount --bind etc/app etc/app; mount -o remount,bind,ro etc/app",
		"umount etc/app",
		/\/etc\/app is on a file system that is mounted read-only\. To go on: mount it read-write/,
	],
	...(process.getuid?.() === 0
		? ([
				[
					"is immutable",
					"chattr +i etc/app/app.conf",
					"chattr -i etc/app/app.conf",
					/app\.conf is immutable \(lsattr shows i\)\. To go on: chattr -i \/etc\/app\/app\.conf, then/,
				],
				[
					"is append-only",
					"chattr +a etc/app/app.conf",
					"chattr -a etc/app/app.conf",
					/app\.conf is append-only \(lsattr shows a\)\. To go on: chattr -a \/etc\/app\/app\.conf, then/,
				],
				[
					"is in an immutable folder",
					"chattr +i etc/app",
					"chattr -i etc/app",
					/\/etc\/app is immutable \(lsattr shows i\)\. To go on: chattr -i \/etc\/app, then/,
				],
			] as [string, string, string, RegExp][])
		: []),
];

for (const [what, make, end, told] of IN_THE_WAY)
	test(`a file that ${what} is left as it was, with what to do and nothing beside it; undo has nothing to do`, (t) => {
		const host = new FakeHost(t);
		host.write("/etc/app/app.conf", "old\n");
		const before = host.snapshot("/etc");
		const { status, stderr } = withMounts(host, `${make}\ntrap '${end}' EXIT\n! step apply; step undo`);
		assert.equal(status, 0, stderr);
		assert.match(stderr, told);
		assert.deepEqual(host.snapshot("/etc"), before);
		assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	});

for (const [what, make, end, told] of IN_THE_WAY)
	test(`undo of a file that by now ${what} says what to do, and can be repeated`, (t) => {
		const host = new FakeHost(t);
		host.write("/etc/app/app.conf", "old\n");
		const before = host.snapshot("/etc");
		const { status, stderr } = withMounts(host, `step apply; ${make}\ntrap '${end}' EXIT\n! step undo; ${end}; trap '' EXIT; step undo`);
		assert.equal(status, 0, stderr);
		assert.match(stderr, told);
		assert.deepEqual(host.snapshot("/etc"), before);
	});

test("a mount over a file with a blank in its name, which the kernel shows as \\040, is named too", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/app/my app.conf", "old\n");
	const text = WRITER.replaceAll("/etc/app/app.conf", "'/etc/app/my app.conf'");
	const { status, stderr } = withMounts(host, `mount --bind 'etc/app/my app.conf' 'etc/app/my app.conf'\n! step apply`, text);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /can't replace \/etc\/app\/my app\.conf: \/etc\/app\/my app\.conf is a mount of its own\. To go on: umount/);
});
