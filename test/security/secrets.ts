// The secrets of a stack that is up, fetched where they belong: keys of the login, of every CA and component, of each kubeconfig, and the join tokens.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { controlPlane, hosts, labFolder, onHost, project, read, succeed } from "../e2e/lab.ts";
import { Needles } from "./needles.ts";

const PLACES = "/etc/kubernetes/*.conf /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key /var/lib/kubelet/pki/*.pem /var/lib/kubelet/pki/*.key";
const KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/;
/** Of the end of a key in base64, what is alike in all. */
const FOOTER = 80;

export async function knownSecrets(of = hosts): Promise<Needles> {
	const needles = new Needles();
	needles.add("key of the login", readFileSync(`${labFolder}/id_ed25519`, "utf8"));
	for (const host of of) {
		const text = await read(host, `for file in ${PLACES}; do [[ ! -f $file || -L $file ]] || { echo "== $file"; cat -- "$file"; }; done`);
		for (const part of text.split(/^== /m).slice(1)) {
			const name = `key of ${part.slice(0, part.indexOf("\n"))} on ${host}`;
			const data = /client-key-data: (\S+)/.exec(part)?.[1];
			const key = KEY.exec(data === undefined ? part : Buffer.from(data, "base64").toString())?.[0];
			if (key === undefined) continue; // a kubeconfig that names a file
			needles.add(name, key);
			if (data !== undefined) needles.add(name, data.slice(-400, -FOOTER));
		}
	}
	const { stdout } = await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "export", "-s", "lab", "--show-secrets"]);
	const tokens = [...new Set(stdout.match(/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g))];
	for (const [i, token] of tokens.entries()) for (const piece of [token, token.slice(7)]) needles.add(`join token ${i}`, piece);
	// Of each control plane that joined; none where a stack has one.
	const certificateKeys = [...new Set([...stdout.matchAll(/certificateKey: [\\"]*([0-9a-f]{64})/g)].map(([, key]) => key as string))];
	for (const [i, key] of certificateKeys.entries()) needles.add(`certificate key ${i}`, key);
	const expected = [
		...of.slice(1).map((_, i) => `join token ${i}`),
		"key of the login",
		...["admin.conf", "pki/ca.key", "pki/etcd/ca.key", "pki/sa.key"].map((name) => `key of /etc/kubernetes/${name} on ${of[0]}`),
	];
	const missing = expected.filter((name) => !needles.names.includes(name));
	if (missing.length > 0) throw new Error(`not found: ${missing.join(", ")}`);
	return needles;
}

const MARK = "/run/kubeadm-lab-leaks";
/** Files of a host that were written since the mark, but for images and what processes show. */
const WRITTEN = `find / \\( -path /proc -o -path /sys -o -path /dev -o -path '/var/lib/containerd/io.containerd.*' -o -path '/run/containerd/io.containerd.*' -o -path '/var/log/journal' \\) -prune -o -type f -newer ${MARK} -size -64M`;
/** Keys that kubeadm gives every control plane; all others are one host's. */
const SHARED = /\/(ca|sa|front-proxy-ca)\.key$/;
const KUBELETS = /^\/(var\/lib\/kubelet\/pki\/|etc\/kubernetes\/kubelet\.conf$)/;
/**
 * Whether a secret belongs in a file of a host. Each host has its own kubelet's keys, and a worker nothing else; a control plane has keys of its own, those that all of them
 * share, and in etcd and its snapshots tokens. The key of the login, passwords and a certificate key belong nowhere.
 */
export function isAtHome(name: string, file: string, host: string, isControlPlane: boolean): boolean {
	if (/^(join )?token /.test(name)) return isControlPlane && /^\/var\/lib\/(etcd|kubeadm-lab\/cluster\/snapshots)\//.test(file);
	const [, of = "", owner] = /^key of (\/\S+) on (\S+)$/.exec(name) ?? [];
	if (KUBELETS.test(of)) return owner === host && KUBELETS.test(file);
	return isControlPlane && (owner === host || SHARED.test(of)) && /^\/etc\/kubernetes\/(pki\/|[a-z-]+\.conf$)/.test(file);
}
/** From here on what is written on the hosts is searched. */
export async function setMark(of: readonly string[]): Promise<void> {
	for (const host of of) await read(host, `touch ${MARK}; sleep 0.05`);
}
/** Secrets in files of a host and in its journal: those in a place of theirs, and `NAME in FILE` of all others. */
export async function secretsOn(
	host: string,
	needles: Needles,
	controlPlanes: readonly string[] = [controlPlane],
): Promise<{ home: Set<string>; wrong: string[] }> {
	const { stdout, code, stderr } = await onHost(
		host,
		`cat >/run/needles; ${WRITTEN} ! -path /run/needles -print0 | xargs -0 grep -aoFH -f /run/needles 2>/dev/null | sort -u; journalctl --no-pager -o cat -a | grep -aoF -f /run/needles | sed 's/^/the journal:/' | sort -u; rm /run/needles`,
		{ input: needles.lines },
	);
	if (code !== 0) throw new Error(`${host}: ${stderr}`);
	const [wrong, home] = [new Set<string>(), new Set<string>()];
	for (const line of stdout.split("\n").filter((one) => one !== "")) {
		const [, file = "", piece = ""] = /^(.*):(.+)$/.exec(line) ?? [];
		for (const name of needles.named(piece))
			if (isAtHome(name, file, host, controlPlanes.includes(host))) home.add(name);
			else wrong.add(`${name} in ${file}`);
	}
	return { home, wrong: [...wrong] };
}

/** What is in folders of `root`, whatever its name. */
export const filesIn = (root: string, ...folders: string[]): string[] =>
	folders.flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])),
	);
/** Where this machine keeps what a stack of the lab's leaves: state with backups and history, Pulumi's own logs, TMPDIR, the lab's logs. */
export const keptFiles = (): string[] => filesIn(labFolder, "state", "pulumi", "tmp", "log");
