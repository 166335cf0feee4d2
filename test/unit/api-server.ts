// An API server for tests: it speaks TLS, asks for a client's certificate, notes what it is asked, and answers as told.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import type { TLSSocket } from "node:tls";
import { stringify } from "yaml";

// A certificate for 127.0.0.1 made for this test (P-256, 2020 to 2120), its own CA and also the client's; its key is public by being here.
const CERT = new X509Certificate(
	Buffer.from(
		"MIIBajCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBrdWJlYWRtLWxhYi10ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAbMRkwFwYDVQQDDBBrdWJlYWRtLWxhYi10ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAoZfwXD0FzojoElCr3o3ffq2vdERFAfYfL32GhnZ9BkE4qOHCoV0kHWcFNMh+IPSRoWC01ISOgGRaH7qk1uLe6NDMEEwDwYDVR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMB0GA1UdDgQWBBTL938B32Z419aHhjfbvILciyYUODAKBggqhkjOPQQDAgNIADBFAiEAvQZOn41JJyk/WJLRF5lDSAKzIdeaulYvg6yNrvnoqHACIEX23aNxtNwH1oJhjxFVa0iN+48VURL/Bz0GpHzC4PR7",
		"base64",
	),
).toString();
const KEY = createPrivateKey({
	key: Buffer.from(
		"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxBoDSFK8m7QWkA9yurNOGPXZGqwTN1XnCHkfW9oDi5ihRANCAAQChl/BcPQXOiOgSUKvejd9+ra90REUB9h8vfYaGdn0GQTio4cKhXSQdZwU0yH4g9JGhYLTUhI6AZFofuqTW4t7",
		"base64",
	),
	format: "der",
	type: "pkcs8",
}).export({ format: "pem", type: "pkcs8" }) as string;

export interface Asked {
	method: string;
	path: string;
	type: string | undefined;
	body: string;
	client: string;
}
export type Answer = (asked: Asked, count: number) => { status: number; body?: string; date?: string };

/** An API server that answers as told and asks for a client certificate; with the kubeconfig that reaches it. */
export async function apiServer(t: TestContext, answer: Answer) {
	const asked: Asked[] = [];
	const server = createServer({ cert: CERT, key: KEY, ca: CERT, requestCert: true, rejectUnauthorized: true }, async (request, response) => {
		const { method = "", url: path = "", headers, socket } = request;
		const one = { method, path, type: headers["content-type"], body: await text(request), client: (socket as TLSSocket).getPeerCertificate().subject.CN };
		asked.push(one);
		const { status, body = "{}", date = "Sat, 23 May 2020 14:00:00 GMT" } = answer(one, asked.length);
		response.writeHead(status, { date }).end(body);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	t.after(() => server.close());
	return { asked, origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
const base64 = (pem: string) => Buffer.from(pem).toString("base64");
export const kubeconfig = (server: string) =>
	stringify({
		apiVersion: "v1",
		kind: "Config",
		"current-context": "admin@kubernetes",
		clusters: [
			{ name: "other", cluster: { server: "https://192.0.2.1:6443" } },
			{ name: "kubernetes", cluster: { server, "certificate-authority-data": base64(CERT) } },
		],
		contexts: [{ name: "admin@kubernetes", context: { cluster: "kubernetes", user: "admin" } }],
		users: [{ name: "admin", user: { "client-certificate-data": base64(CERT), "client-key-data": base64(KEY) } }],
	});
