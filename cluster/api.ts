// Asks an API server from here, by an admin's kubeconfig: for what must be done between two steps of the program, where no state could say that it is due.
import type { IncomingHttpHeaders } from "node:http";
import { type RequestOptions, request } from "node:https";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";

/** Bound of one request and of all tries. The API server answers in milliseconds, unless it is just restarting. */
const REQUEST_SECONDS = 10;
const TRIES = 5;

export interface Answer {
	status: number;
	headers: IncomingHttpHeaders;
	body: string;
}

export interface Request {
	/** For the error, such as: list the Nodes. */
	what: string;
	body?: string;
	/** Of the body. Default JSON. */
	type?: string;
	/** Answers that are no failure. Default none but 2xx. */
	codes?: number[];
}
const JSON_BODY = "application/json";
/** Server-side apply. */
export const APPLY = "application/apply-patch+yaml";
export const MERGE = "application/merge-patch+json";

/** The API server that a kubeconfig's current context names, with that context's client certificate. */
export class Api {
	readonly server: URL;
	readonly #options: RequestOptions;
	readonly #patienceSeconds: number;
	/** `patienceSeconds`: for so long one that just starts is asked again, which may know nobody's rights yet. Default 0. */
	constructor(kubeconfig: string, { patienceSeconds = 0 } = {}) {
		this.#patienceSeconds = patienceSeconds;
		const { clusters, contexts, users, "current-context": current } = parse(kubeconfig);
		const named = (list: { name: string }[], name: string) => list.find((entry) => entry.name === name) as never;
		const { context } = named(contexts, current) as { context: { cluster: string; user: string } };
		const { cluster } = named(clusters, context.cluster) as { cluster: Record<string, string> };
		const { user } = named(users, context.user) as { user: Record<string, string> };
		const pem = (base64: string | undefined) => Buffer.from(base64 ?? "", "base64");
		this.server = new URL(cluster.server as string);
		this.#options = {
			ca: pem(cluster["certificate-authority-data"]),
			cert: pem(user["client-certificate-data"]),
			key: pem(user["client-key-data"]),
			timeout: REQUEST_SECONDS * 1000,
		};
	}

	/** Asks until there is an answer that a repetition would not change; 404 to DELETE is success. */
	async ask(method: string, path: string, { what, body, type = JSON_BODY, codes = [] }: Request): Promise<Answer> {
		let last = "";
		const end = performance.now() + this.#patienceSeconds * 1000;
		const isPatient = () => performance.now() < end;
		for (let attempt = 0; attempt < TRIES || isPatient(); attempt++) {
			if (attempt > 0) await sleep(1000);
			try {
				const answer = await this.#send(method, path, body, type);
				if (answer.status < 300 || codes.includes(answer.status) || (method === "DELETE" && answer.status === 404)) return answer;
				last = `answered ${answer.status} ${messageIn(answer.body)}`;
				if (answer.status < 500 && answer.status !== 429 && !(answer.status === 403 && isPatient())) break;
			} catch (error) {
				last = (error as Error).message;
				if (!/^E[A-Z]+$/.test((error as NodeJS.ErrnoException).code ?? "")) break; // a certificate that doesn't fit; only the network's own errors may pass
			}
		}
		throw new Error(
			`can't ${what}: ${this.server.origin}: ${last}. Check that this machine reaches the API server (a bastion does not carry it), and that no firewall between them or on that host (iptables -S INPUT, nft list ruleset) rejects it; the next pulumi up tries again.`,
		);
	}

	/** The items of a list, such as /api/v1/nodes. */
	async list<Item>(path: string, what: string): Promise<Item[]> {
		const { body } = await this.ask("GET", path, { what });
		return JSON.parse(body).items;
	}

	/** The API server's own clock, in ms since 1970: this machine's may be off by more than what it is asked for. */
	async now(what: string): Promise<number> {
		const { headers } = await this.ask("GET", "/version", { what });
		return headers.date === undefined ? Date.now() : Date.parse(headers.date);
	}

	#send(method: string, path: string, body: string | undefined, type: string): Promise<Answer> {
		const headers = body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(body) };
		return new Promise((resolve, reject) => {
			const sent = request(new URL(path, this.server), { ...this.#options, method, headers, agent: false }, (response) => {
				text(response).then((answer) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer }), reject);
			});
			sent.on("timeout", () => sent.destroy(Object.assign(new Error(`no answer in ${REQUEST_SECONDS} s`), { code: "ETIMEDOUT" })));
			sent.on("error", reject);
			sent.end(body);
		});
	}
}

/** The message of a Kubernetes Status object; anything else as it is, shortened. */
export function messageIn(body: string): string {
	try {
		return JSON.parse(body).message ?? body.slice(0, 200);
	} catch {
		return body.slice(0, 200);
	}
}
