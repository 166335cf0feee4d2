// Join tokens under Pulumi's mocks and a played API server: when they are made, and that they end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "../../cluster/cluster.ts";
import { closeJoin, listNodes, newToken, nodesAtFirst, openJoin, removeStrays, tokenSecret } from "../../cluster/join-token.ts";
import { apiServer, kubeconfig } from "./api-server.ts";
import { runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

const TOKEN = "abcdef.0123456789abcdef";
const decoded = (data: Record<string, string>) =>
	Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
const SECRET_PATH = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef";

test("newToken has the form that kubeadm takes and never comes twice", () => {
	const tokens = Array.from({ length: 200 }, newToken);
	for (const token of tokens) assert.match(token, /^[a-z0-9]{6}\.[a-z0-9]{16}$/);
	assert.equal(new Set(tokens).size, tokens.length);
});
test("tokenSecret holds what kubeadm token create writes", () => {
	const { metadata, type, data } = tokenSecret(TOKEN, "k8s-node01", new Date("2020-05-23T14:15:00.999Z"));
	assert.deepEqual(metadata, { name: "bootstrap-token-abcdef", namespace: "kube-system" });
	assert.equal(type, "bootstrap.kubernetes.io/token");
	assert.deepEqual(decoded(data), {
		description: "kubeadm-lab: k8s-node01 joins",
		"token-id": "abcdef",
		"token-secret": "0123456789abcdef",
		expiration: "2020-05-23T14:15:00Z",
		"usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing": "true",
		"auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
	});
});

test("openJoin makes the token valid for 15 minutes by the API server's clock, as the kubeconfig's user", async (t) => {
	const { asked, origin } = await apiServer(t, () => ({ status: 200 }));
	await openJoin(kubeconfig(origin), TOKEN, "k8s-node01");
	assert.deepEqual(
		asked.map(({ method, path, client }) => [method, path, client]),
		[
			["GET", "/version", "kubeadm-lab-test"],
			["PATCH", `${SECRET_PATH}?fieldManager=kubeadm-lab&force=true`, "kubeadm-lab-test"],
		],
	);
	assert.equal(asked[1]?.type, "application/apply-patch+yaml");
	assert.equal(decoded(JSON.parse(asked[1]?.body ?? "").data).expiration, "2020-05-23T14:15:00Z");
});
test("openJoin waits for an API server that is restarting", async (t) => {
	const { asked, origin } = await apiServer(t, (_, count) => ({ status: count === 1 ? 503 : 200 }));
	await openJoin(kubeconfig(origin), TOKEN, "k8s-node01");
	assert.deepEqual(
		asked.map(({ method }) => method),
		["GET", "GET", "PATCH"],
	);
});
test("openJoin says at once who refused and why, without the token's secret part", async (t) => {
	const body = JSON.stringify({ kind: "Status", message: 'secrets "bootstrap-token-abcdef" is forbidden' });
	const { asked, origin } = await apiServer(t, ({ method }) => (method === "GET" ? { status: 200 } : { status: 403, body }));
	await assert.rejects(openJoin(kubeconfig(origin), TOKEN, "k8s-node01"), {
		message: `can't make a join token: ${origin}: answered 403 secrets "bootstrap-token-abcdef" is forbidden. Check that this machine reaches the API server (a bastion does not carry it), and that no firewall between them or on that host (iptables -S INPUT, nft list ruleset) rejects it; the next pulumi up tries again.`,
	});
	assert.equal(asked.length, 2);
});
test("openJoin trusts no API server but the kubeconfig's", async (t) => {
	const { asked, origin } = await apiServer(t, () => ({ status: 200 }));
	const other = kubeconfig(origin).replace(/certificate-authority-data: .*/g, "");
	await assert.rejects(openJoin(other, TOKEN, "k8s-node01"), /can't make a join token: .*certificate/);
	assert.equal(asked.length, 0);
});

test("closeJoin deletes the token", async (t) => {
	const { asked, origin } = await apiServer(t, () => ({ status: 200 }));
	await closeJoin(kubeconfig(origin), TOKEN);
	assert.deepEqual(
		asked.map(({ method, path }) => [method, path]),
		[["DELETE", SECRET_PATH]],
	);
});
test("closeJoin is content when the token is gone already", async (t) => {
	const { origin } = await apiServer(t, () => ({ status: 404 }));
	await closeJoin(kubeconfig(origin), TOKEN);
});

test("a worker's join makes its own token valid right before it runs and ends it right after", async (t) => {
	const { asked, origin } = await apiServer(t, () => ({ status: 200 }));
	const { cluster } = settings();
	const { graph } = await runProgram(() => new Cluster("lab", cluster), { kubeconfig: kubeconfig(origin) });
	const join = graph.named("lab-k8s-node01-worker-join");
	const [clear, opens, drains, reopens, closes, uncordons, failed] = ["clear", "open", "drain", "reopen", "close", "uncordon", "failed"].map(
		(hook) => `lab-k8s-node01-worker-${hook}`,
	);
	assert.deepEqual(join.hooks, {
		beforeCreate: [clear, opens],
		afterCreate: [closes],
		beforeUpdate: [drains, reopens],
		afterUpdate: [closes, uncordons],
		ofDelete: [],
		onError: [failed],
	});
	const [, open, close] = [...join.hooks.beforeCreate, ...join.hooks.afterCreate].map((name) => graph.hooks.get(name));
	assert.equal(asked.length, 0, "nothing is asked before the engine calls");

	await open?.run();
	const { token } = join.inputs.stdin.match(/^ +token: (?<token>\S+)$/m)?.groups ?? {};
	const made = decoded(JSON.parse(asked[1]?.body ?? "").data);
	assert.equal(`${made["token-id"]}.${made["token-secret"]}`, token);
	assert.equal(made.description, "kubeadm-lab: k8s-node01 joins");

	await close?.run();
	assert.deepEqual([asked[2]?.method, asked[2]?.path], ["DELETE", SECRET_PATH.replace("abcdef", made["token-id"] ?? "")]);
	assert.equal(asked.length, 3);
	assert.deepEqual([open?.ignoreErrors, close?.ignoreErrors], [false, true]);
	assert.deepEqual([open?.onDryRun, close?.onDryRun], [false, false]);
});
test("no more workers join at once than the stack says; the next one goes on when one has joined, failed, or got no token", async (t) => {
	let isUp = true;
	const { origin } = await apiServer(t, ({ method }) => (method === "GET" ? nodes({}) : { status: isUp ? 200 : 422 }));
	const cluster = { ...settings().cluster, joinsAtOnce: 1 };
	const { graph } = await runProgram(() => new Cluster("lab", cluster), { kubeconfig: kubeconfig(origin) });
	const hook = (worker: string, name: string) => graph.hooks.get(`lab-${worker}-worker-${name}`);
	const began: string[] = [];
	const begin = async (worker: string) => {
		await hook(worker, "clear")?.run();
		began.push(worker);
	};
	const ends = [
		async (worker: string) => hook(worker, "close")?.run(),
		async (worker: string) => graph.errorHooks.get(`lab-${worker}-worker-failed`)?.(),
		async (worker: string) => {
			isUp = false;
			await assert.rejects(async () => hook(worker, "open")?.run(), /422/);
			isUp = true;
		},
	];
	for (const end of ends) {
		await begin("k8s-node01");
		const other = begin("k8s-node02");
		await sleep(100);
		assert.deepEqual(began.splice(0), ["k8s-node01"]);
		await end("k8s-node01");
		await other;
		assert.deepEqual(began.splice(0), ["k8s-node02"]);
		await hook("k8s-node02", "close")?.run();
	}
});
test("a worker's join waits for an API server that just starts and knows nobody's rights yet; its update asks once", async (t) => {
	const { asked, origin } = await apiServer(t, (_, count) => ({ status: count === 1 || count === 4 ? 403 : 200 }));
	const { cluster } = settings();
	const { graph } = await runProgram(() => new Cluster("lab", cluster), { kubeconfig: kubeconfig(origin) });
	await graph.hooks.get("lab-k8s-node01-worker-open")?.run();
	assert.deepEqual(
		asked.map(({ method }) => method),
		["GET", "GET", "PATCH"],
	);
	await assert.rejects(async () => graph.hooks.get("lab-k8s-node01-worker-reopen")?.run(), /can't make a join token: .* answered 403/);
	assert.equal(asked.length, 4);
});
test("an update of a joined worker, such as a new SSH key, is not held up by an API server that is down", async () => {
	const { cluster } = settings();
	const { graph } = await runProgram(() => new Cluster("lab", cluster), { kubeconfig: kubeconfig("https://127.0.0.1:1") });
	const { beforeCreate, beforeUpdate } = graph.named("lab-k8s-node01-worker-join").hooks;
	const [create, update] = [beforeCreate, beforeUpdate].map((names) => graph.hooks.get(names.at(-1) ?? ""));
	assert.deepEqual([create?.ignoreErrors, update?.ignoreErrors], [false, true]);
	await assert.rejects(async () => update?.run(), /can't make a join token: https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/); // the engine makes a warning of it
});

const nodes = (names: Record<string, string>) => ({
	status: 200,
	body: JSON.stringify({
		items: Object.entries(names).map(([name, address]) => ({ metadata: { name }, status: { addresses: [{ type: "InternalIP", address }] } })),
	}),
});
test("removeStrays deletes the Nodes that have the host's address under another name, and no other", async (t) => {
	const list = nodes({ "k8s-master": "172.16.1.110", "k8s-node01": "172.16.1.111", oldname: "172.16.1.111", "k8s-node02": "172.16.1.112" });
	const { asked, origin } = await apiServer(t, ({ method }) => (method === "GET" ? list : { status: 200 }));
	const config = kubeconfig(origin);
	assert.deepEqual(await removeStrays(config, { name: "k8s-node01", address: "172.16.1.111" }, await listNodes(config)), ["oldname"]);
	assert.deepEqual(
		asked.map(({ method, path }) => [method, path]),
		[
			["GET", "/api/v1/nodes"],
			["DELETE", "/api/v1/nodes/oldname"],
		],
	);
});
test("the joins of one run list the Nodes once, and again where that failed", async (t) => {
	const { asked, origin } = await apiServer(t, (_, count) => (count === 1 ? { status: 403 } : nodes({ "k8s-master": "172.16.1.110" })));
	const config = kubeconfig(origin);
	await assert.rejects(nodesAtFirst(config), /can't list the Nodes: .* answered 403/);
	const [one, other] = await Promise.all([nodesAtFirst(config), nodesAtFirst(config)]);
	assert.deepEqual(
		one.map(({ metadata }) => metadata.name),
		["k8s-master"],
	);
	assert.equal(one, other);
	assert.equal(asked.length, 2);
});
test("a join that fails takes the Node away that it left under another name, and is not tried again by itself", async (t) => {
	const { asked, origin } = await apiServer(t, ({ method }) => (method === "GET" ? nodes({ oldname: "172.16.1.111" }) : { status: 200 }));
	const { cluster } = settings();
	const { graph } = await runProgram(() => new Cluster("lab", cluster), { kubeconfig: kubeconfig(origin) });
	const [failed = ""] = graph.named("lab-k8s-node01-worker-join").hooks.onError;
	assert.equal(await graph.errorHooks.get(failed)?.(), false);
	assert.deepEqual(asked.at(-1)?.path, "/api/v1/nodes/oldname");
});
