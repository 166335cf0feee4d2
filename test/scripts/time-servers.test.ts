// Time servers that a host had before: put aside for those of the stack, and back again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bareHost } from "./bare-host.ts";

test("time servers of before are marked however chrony.conf spells them, and come back", (t) => {
	const host = bareHost(t);
	const before = "Server a iburst\n\tPOOL b iburst # near\n  peer c\nsourcedir /run/chrony-dhcp\n#server d\n! pool e\nserverstats\nmakestep 1 3\n";
	host.write("/etc/chrony.conf", before);
	assert.equal(host.run("system", "apply").status, 0);
	assert.equal(
		host.read("/etc/chrony.conf"),
		"#kubeadm-lab# Server a iburst\n#kubeadm-lab# \tPOOL b iburst # near\n#kubeadm-lab#   peer c\n#kubeadm-lab# sourcedir /run/chrony-dhcp\n#server d\n! pool e\nserverstats\nmakestep 1 3\n# kubeadm-lab begin\nserver 172.16.1.1 iburst\n# kubeadm-lab end\n",
	);
	assert.equal(host.run("system", "check").status, 0);
	assert.equal(host.run("system", "undo").status, 0);
	assert.equal(host.read("/etc/chrony.conf"), before);
});

test("time servers in files that chrony.conf takes in are marked too, and come back, also where chrony.conf no longer takes them in", (t) => {
	const host = bareHost(t);
	const files = {
		"/etc/chrony.conf": "driftfile /var/lib/chrony/drift\nInclude /etc/chrony/sources/*.conf\nconfdir /etc/chrony.d /nowhere # theirs\n#include /etc/no.conf\n",
		"/etc/chrony/sources/near.conf": "server near iburst\ninclude /etc/Deep.conf\n",
		"/etc/Deep.conf": "pool deep\n",
		"/etc/chrony.d/10-far.conf": "# far\nserver far\nmakestep 1 3\n",
		"/etc/chrony.d/20-none.conf": "makestep 1 3\n",
		"/etc/chrony.d/far.sources": "server other\n",
		"/etc/no.conf": "server no\n",
	};
	for (const [path, text] of Object.entries(files)) host.write(path, text);
	const now = () => Object.fromEntries(Object.keys(files).map((path) => [path, host.read(path)]));
	assert.equal(host.run("system", "apply").status, 0);
	assert.deepEqual(now(), {
		...files,
		"/etc/chrony.conf": `${files["/etc/chrony.conf"]}# kubeadm-lab begin\nserver 172.16.1.1 iburst\n# kubeadm-lab end\n`,
		"/etc/chrony/sources/near.conf": "#kubeadm-lab# server near iburst\ninclude /etc/Deep.conf\n",
		"/etc/Deep.conf": "#kubeadm-lab# pool deep\n",
		"/etc/chrony.d/10-far.conf": "# far\n#kubeadm-lab# server far\nmakestep 1 3\n",
	});
	assert.deepEqual(host.run("system", "check"), { status: 0, stdout: "", stderr: "" });
	host.write("/etc/chrony.d/20-none.conf", "server new\n");
	assert.match(host.run("system", "check").stdout, /^file \/etc\/chrony\.d\/20-none\.conf\tsha256 \w{12}\tsha256 \w{12}\n$/);
	host.write("/etc/chrony.d/20-none.conf", files["/etc/chrony.d/20-none.conf"]);
	host.write("/etc/chrony.conf", host.read("/etc/chrony.conf").replace(/^confdir.*\n/m, ""));
	assert.equal(host.run("system", "undo").status, 0);
	assert.deepEqual(now(), { ...files, "/etc/chrony.conf": files["/etc/chrony.conf"].replace(/^confdir.*\n/m, "") });
});
