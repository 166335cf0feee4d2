// npm run etcd -- COMMAND STACK: snapshots of the cluster's etcd, and the way back to one (docs/day-two.md). Exit status: 0 done, 1 not, 2 wrong usage.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { KeyError } from "../config/keys.ts";
import { StackFileError, type StackHost } from "../config/stack-file.ts";
import { printable } from "../printable.ts";
import type { Setting } from "../provider/shell.ts";
import { PasswordRefused } from "../provider/ssh/script.ts";
import { PassphraseError, passphrase } from "./etcd/passphrase.ts";
import { type Request, requestIn, USAGE, UsageError } from "./etcd/request.ts";
import { SealError, type Snapshot, seal, unseal } from "./etcd/sealed.ts";
import { lossText, tableOf } from "./etcd/text.ts";
import { type Login, LoginError, loginOf, onHost, pinnedHosts, secretsOf } from "./login.ts";
import { RunError } from "./run.ts";
import { terminal } from "./terminal.ts";

const STEP = new URL("../cluster/steps/etcd.sh", import.meta.url);
/** Of a snapshot on its way: a message to a host is kept in memory at both ends. */
const PART_BYTES = 4 * 1024 * 1024;
const SAVE_SECONDS = 3600; // the host's own bounds are 900 s for its turn and 900 for etcd
const RESTORE_SECONDS = 7200; // the same, a restore of 900, two stops of 180 and two starts of 300
const REACH_SECONDS = 120;

const print = (line: string) => void process.stdout.write(`${printable(line)}\n`);
/** A host that can't be asked, or did not do it. */
class HostError extends Error {}
/** Runs one action on the control plane and returns what it printed. @throws HostError with what the host said. */
type Act = (action: string, settings?: Record<string, Setting>, seconds?: number) => Promise<string>;

/** The host has said why, in lines that were shown as they came. */
class ToldError extends Error {}

function controlPlaneOf(hosts: StackHost[]): StackHost {
	const host = hosts.find(({ role }) => role === "control-plane"); // the first, where there are several: snapshots are taken there
	if (host === undefined) throw new StackFileError("hosts: found none with role control-plane, expected one.");
	return host;
}
/** The hosts of a stack, and how an action is run on one. */
interface Stack {
	hosts: StackHost[];
	controlPlane: StackHost;
	on: <T>(host: StackHost, work: (act: Act) => Promise<T>) => Promise<T>;
}
async function stackOf({ stack }: Request): Promise<Stack> {
	const file = `Pulumi.${stack}.yaml`;
	if (!existsSync(file)) throw new UsageError(`${file}: no such file. Run this in the project's folder, with the name of a stack.`);
	const text = readFileSync(file, "utf8");
	const hosts = pinnedHosts(text);
	const controlPlane = controlPlaneOf(hosts);
	const login = await loginOf(text, secretsOf(stack));
	return { hosts, controlPlane, on: (host, work) => onOne(host, login, work) };
}
async function onOne<T>(host: StackHost, login: Login, work: (act: Act) => Promise<T>): Promise<T> {
	const advice = (error: unknown) => (error instanceof PasswordRefused ? "" : ". The same command again goes on."); // one more wrong password may lock the account
	const lost = (error: unknown) => new HostError(`${host.name} (${host.address}): ${(error as Error).message}${advice(error)}`);
	try {
		return await onHost(host, login, (runStep) =>
			work(async (action, settings = {}, timeoutSeconds = REACH_SECONDS) => {
				let isTold = false;
				const onLine = (line: string) => {
					isTold ||= / error: /.test(line);
					print(line);
				};
				const { code, stdout } = await runStep({ step: STEP, settings: { NAME: "", ...settings, ACTION: action }, timeoutSeconds, onLine });
				if (code !== 0) throw isTold ? new ToldError() : new Error(`ended with ${code ?? "a lost connection"}`);
				return stdout;
			}),
		);
	} catch (error) {
		throw error instanceof ToldError ? error : lost(error);
	}
}
async function onControlPlane<T>(request: Request, work: (act: Act) => Promise<T>): Promise<T> {
	const { controlPlane, on } = await stackOf(request);
	return await on(controlPlane, work);
}

async function bring(act: Act, name: string): Promise<Snapshot> {
	const about = (await act("about", { NAME: name })).trimEnd();
	const pki = await act("pki").catch((error: Error) => {
		if (!(error instanceof ToldError)) throw error;
		print("It is fetched without the CAs: it can be restored on this control plane only, and not onto one that was installed anew.");
		return undefined;
	});
	const parts: Buffer[] = [];
	for (let offset = 0; ; offset += PART_BYTES) {
		const part = Buffer.from(await act("get", { NAME: name, OFFSET: offset, PART_BYTES }), "base64");
		parts.push(part);
		if (part.length < PART_BYTES) return { name, about, data: Buffer.concat(parts), ...(pki === undefined ? {} : { pki: pki.trimEnd() }) };
	}
}
/** With `pki` for a control plane that is to be made of it. */
async function send(act: Act, { name, about, data }: Snapshot, pki?: string): Promise<void> {
	for (let offset = 0; offset < data.length; offset += PART_BYTES) {
		const part = data.subarray(offset, offset + PART_BYTES);
		const isLast = offset + PART_BYTES >= data.length;
		await act("put", {
			NAME: name,
			OFFSET: offset,
			SIZE: data.length,
			PART: part.toString("base64"),
			IS_LAST: isLast,
			ABOUT: about,
			...(pki === undefined ? {} : { PKI_TAR: pki }),
		});
	}
}

async function fetch(request: Request & { command: "fetch" }): Promise<void> {
	const { name, file } = request;
	if (existsSync(file)) throw new UsageError(`${file} is there already. Choose another name.`);
	const words = await passphrase(true);
	const sealed = seal(await onControlPlane(request, (act) => bring(act, name)), words);
	writeFileSync(file, sealed, { mode: 0o600, flag: "wx", flush: true });
	print(`${file}: ${sealed.length} bytes, encrypted. Without its passphrase it can't be opened again.`);
}
async function snapshotIn(file: string): Promise<Snapshot> {
	if (!existsSync(file)) throw new UsageError(`${file}: no such file. Give one that npm run etcd -- fetch wrote, or the name of a snapshot on the host.`);
	try {
		return unseal(readFileSync(file), await passphrase(false));
	} catch (error) {
		throw error instanceof SealError ? new SealError(`${file} ${error.message}`) : error;
	}
}
async function restore(request: Request & { command: "restore" }): Promise<boolean> {
	const brought = "file" in request ? await snapshotIn(request.file) : undefined;
	const name = brought?.name ?? ("name" in request ? request.name : "");
	const { hosts, controlPlane, on } = await stackOf(request);
	const printed = await on(controlPlane, async (act) => {
		if (brought && (await act("who")) === "none\n") return await layDown(act, request, controlPlane, brought);
		if (brought) await send(act, brought);
		for (const line of lossText(name, await act("look", { NAME: name }))) print(line);
		if (!request.isYes && !(await asked(`Restore ${name}?`))) {
			print("Nothing was changed.");
			return undefined;
		}
		return await act("restore", { NAME: name }, RESTORE_SECONDS);
	});
	if (typeof printed !== "string") return printed ?? false;
	if (printed !== "") await startClients({ hosts, controlPlane, on });
	print(`Restored ${name}. Next: pulumi preview -s ${request.stack} --refresh shows what of the stack is not as it was.`);
	return true;
}
/** For the next `up`, which makes the control plane of it. Returns whether that is what somebody wanted. */
async function layDown(act: Act, { stack, isYes }: Request, host: StackHost, brought: Snapshot): Promise<boolean> {
	if (brought.pki === undefined)
		throw new Error(
			`it is in no cluster, and this file has no CA: a version before this has fetched it, or the CA's key was not on the host. It fits only the control plane that it was taken on`,
		);
	const value = (key: string) => brought.about.match(new RegExp(`^${key}=(.*)$`, "m"))?.[1];
	print(`${host.name} is in no cluster: it was installed anew, or reset.`);
	print(
		`Snapshot ${brought.name} is of ${value("taken")}, of cluster ${value("cluster")} with Kubernetes ${value("kubernetes")}. With its CAs and keys it is laid down there, in a folder that only root reads.`,
	);
	print(
		"The next pulumi up makes the control plane of it, and removes it. What was changed since the snapshot is lost; workers come back without a join, and Pods on them run on. One that joined since has to join again: pulumi up --replace of its worker-join.",
	);
	if (!isYes && !(await asked(`Lay ${brought.name} down?`))) {
		print("Nothing was changed.");
		return false;
	}
	await send(act, brought, brought.pki);
	print(`Laid down. Next: pulumi up -s ${stack}`);
	return true;
}
/** The revision has gone back, and a client that knows a later one would wait in silence: kubelets and the cluster's own Pods are started again. */
async function startClients({ hosts, controlPlane, on }: Stack): Promise<void> {
	for (const host of hosts) {
		await on(host, (act) => act("restart")).catch((error: Error) => {
			print(`${host.name}: its kubelet was not restarted (${error.message}). When the host is up: systemctl restart kubelet`);
		});
	}
	await on(controlPlane, (act) => act("renew"));
	print("This etcd is older than 3.5.10, so Pods of your own that watch the API server do not notice the restore: delete them, or restart their Deployments.");
}

/** Only now is the terminal read line by line: before, it may be asked for a passphrase. */
async function asked(question: string): Promise<boolean> {
	const { ask, close } = terminal();
	return await ask(question).finally(close);
}

async function main(words: string[]): Promise<number> {
	try {
		const request = requestIn(words);
		if (request.command === "fetch") await fetch(request);
		else if (request.command === "restore") return (await restore(request)) ? 0 : 1;
		else {
			const lines = await onControlPlane(request, (act) => act(request.command, {}, request.command === "snapshot" ? SAVE_SECONDS : REACH_SECONDS));
			for (const line of tableOf(lines)) print(line);
		}
		return 0;
	} catch (error) {
		const isUsage = error instanceof UsageError;
		if (error instanceof ToldError) return 1;
		const known = [HostError, LoginError, PassphraseError, SealError, StackFileError, KeyError, RunError].some((one) => error instanceof one);
		if (!isUsage && !known) throw error;
		const { message } = error as Error;
		process.stderr.write(`${printable(message)}${isUsage ? `\n\n${USAGE}` : ""}\n`);
		return isUsage ? 2 : 1;
	}
}
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
