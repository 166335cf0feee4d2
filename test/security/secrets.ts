// The secrets of a stack that is up, fetched where they belong: keys of the login, of every CA and component, of each kubeconfig, and the join tokens.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hosts, labFolder, project, read, succeed } from "../e2e/lab.ts";
import { Needles } from "./needles.ts";

const PLACES = "/etc/kubernetes/*.conf /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key /var/lib/kubelet/pki/*.pem /var/lib/kubelet/pki/*.key";
const KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/;
/** Of the end of a key in base64, what is alike in all. */
const FOOTER = 80;

export async function knownSecrets(): Promise<Needles> {
	const needles = new Needles();
	needles.add("key of the login", readFileSync(`${labFolder}/id_ed25519`, "utf8"));
	for (const host of hosts) {
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
	const expected = [
		...hosts.slice(1).map((_, i) => `join token ${i}`),
		"key of the login",
		...["admin.conf", "pki/ca.key", "pki/etcd/ca.key", "pki/sa.key"].map((name) => `key of /etc/kubernetes/${name} on ${hosts[0]}`),
	];
	const missing = expected.filter((name) => !needles.names.includes(name));
	if (missing.length > 0) throw new Error(`not found: ${missing.join(", ")}`);
	return needles;
}

/** What is in folders of `root`, whatever its name. */
export const filesIn = (root: string, ...folders: string[]): string[] =>
	folders.flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])),
	);
/** Where this machine keeps what a stack of the lab's leaves: state with backups and history, Pulumi's own logs, TMPDIR, the lab's logs. */
export const keptFiles = (): string[] => filesIn(labFolder, "state", "pulumi", "tmp", "log");
