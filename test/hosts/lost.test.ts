// What is the host's own outlives a cluster: files and links in its folders, a share in use below the kubelet's, and what a Pod would have root read.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { controlPlane, lab, location, messageFile, onHost, output, pulumi, pulumiRun, read, workers } from "../e2e/lab.ts";

const share = "/var/lib/kubelet/pods/x/volumes/kubernetes.io~nfs/d";
const [worker = ""] = workers;

describe("what is the host's own", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		await lab("reset");
		await read(worker, "mkdir -p -m 0755 /var/lib/kubelet; umask 077; echo '{\"auths\":{}}' >/var/lib/kubelet/config.json");
		await read(controlPlane, "mkdir -p /srv/etcd/lost+found; ln -s ../../srv/etcd /var/lib/etcd");
		await read(worker, "mv /etc/hosts /etc/hosts.ours; ln -s hosts.ours /etc/hosts");
	});
	after(async () => {
		await onHost(worker, "systemctl stop holder; umount -l /var/lib/kubelet/pods/x/volumes/*/d");
		await pulumiRun("destroy");
		await lab("reset");
	});

	test("a share in use below the kubelet's folder stops destroy, with who uses it and what to do, and loses nothing", async () => {
		await pulumi("up");
		await read(
			worker,
			`mkdir -p /srv/share ${share}; echo precious >/srv/share/db; mount --bind /srv/share ${share}
			systemd-run --quiet --unit holder --property WorkingDirectory=${share} sleep 3600`,
		);
		const { node } = await location();
		await read(node, `ln -sf /etc/shadow ${messageFile}`);
		const { code, output: text } = await pulumiRun("destroy");
		assert.notEqual(code, 0);
		assert.match(
			text,
			new RegExp(`can't unmount ${share}; in use by sleep \\(pid \\d+\\)\\. Nothing in it was deleted\\. End what uses it and unmount it \\(umount ${share}`),
		);
		assert.match(text, new RegExp(`message file on ${node}: ${messageFile} is a link, and a file was expected: it was not opened or followed`));
		assert.doesNotMatch(text, /root:[^ ]*:\d+:/, "lines of /etc/shadow");
		assert.equal(await read(worker, `cat ${share}/db /srv/share/db`), "precious\nprecious\n");
	});

	test("when it is free, destroy goes on, and everything of before is there", async () => {
		await read(worker, "systemctl stop holder");
		for (const host of workers) await read(host, `rm -f ${messageFile}`);
		await pulumi("destroy");
		assert.equal(
			await read(worker, "cat /srv/share/db; stat -c %a /var/lib/kubelet/config.json; cat /var/lib/kubelet/config.json; ls -A /var/lib/kubelet"),
			'precious\n600\n{"auths":{}}\nconfig.json\n',
		);
		assert.equal(await read(worker, "readlink /etc/hosts; grep -c kubeadm-lab /etc/hosts.ours || true"), "hosts.ours\n0\n");
		assert.equal(await read(controlPlane, "readlink /var/lib/etcd; ls -A /srv/etcd"), "../../srv/etcd\nlost+found\n");
	});

	test("a second up is not refused because of them", async () => {
		await pulumi("up");
		assert.match(await output("pod"), /Running/);
		await pulumi("destroy");
		assert.equal(await read(controlPlane, "ls -A /srv/etcd"), "lost+found\n");
	});
});
