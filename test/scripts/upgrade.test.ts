// Upgrades in place on a played host: when they are due, in which order, what a run that died in the middle has left to do, and what is refused. test/upgrade has real ones.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { HASH, ID, init, kubeadms, preparedHost, worker } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";
import { certificate, playRenewal } from "./member-host.ts";
import { shellFile } from "./shell-files.ts";

const NEXT = "1.30.14";
const CLUSTER = "/var/lib/kubeadm-lab/cluster";
const KEPT = `${CLUSTER}/kubelet/files/%2Fvar%2Flib%2Fkubelet%2Fconfig.yaml`;
/** With how a real script begins: what it finds exported goes. */
const CLEARS = shellFile("common").text.match(/^for word in \$\(compgen[\s\S]*?^done\n/m)?.[0] ?? assert.fail("common.sh no longer clears its environment");
const PACKAGES_TEXT = `${CLEARS}echo "packages $1 WITH_KUBELET=$WITH_KUBELET of $REPOSITORY" >>"$KUBEADM_LAB_ROOT/calls"; echo "$NEW" >"$KUBEADM_LAB_ROOT/kubelet-version"\n`;
const PACKAGES_NAME = "packages-3a3bcf4e8ab4d4f4";

/** A host that is in the cluster with 1.29.15; its packages step has brought the new kubeadm already. */
function member(t: TestContext, step: "init" | "join"): FakeHost {
	const host = preparedHost(t);
	host.write("/kubelet-version", "1.29.15");
	host.command("kubelet", `echo "Kubernetes v$(cat "\${KUBEADM_LAB_ROOT}/kubelet-version")"`);
	const { status, stderr } = step === "init" ? init(host, "apply") : host.run("join", "apply", worker());
	assert.equal(status, 0, stderr);
	host.write(
		`/bin/kubeadm`,
		host.read("/bin/kubeadm").replace('case "$1" in', `case "$1" in\nversion) echo v${NEXT} ;;\nupgrade) [[ ! -e "$r/dies" ]] || exit 1 ;;`),
	);
	host.command("curl", "exit 0");
	host.write(KEPT, "of 1.29");
	host.write("/var/lib/kubelet/config.yaml", "of now");
	host.write("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--node-ip=172.16.1.110 --pod-infra-container-image=registry.k8s.io/pause:3.9"\n');
	keepPackages(host);
	host.forgetCalls();
	return host;
}
/** What the packages step leaves on a host: its script and its settings. */
function keepPackages(host: FakeHost): void {
	const name = host.bash(`printf '%s' '${PACKAGES_TEXT.replaceAll("'", "'\\''")}' | sha256sum | cut -c 1-16`, "").stdout.trim() || PACKAGES_NAME;
	host.write(`/var/lib/kubeadm-lab/scripts/texts/packages-${name}`, PACKAGES_TEXT);
	host.write("/var/lib/kubeadm-lab/scripts/used/packages", `packages-${name}\n`);
	host.write("/var/lib/kubeadm-lab/scripts/settings/packages", `declare -r BASHOPTS="x"\ndeclare -r NEW="${NEXT}"\ndeclare -r REPOSITORY="kubernetes"\n`);
}
const upgraded = { KUBERNETES_VERSION: NEXT, PAUSE_IMAGE: "registry.k8s.io/pause:3.10" };
const drained = (host: FakeHost, answer = `${NEXT} drained`, names: string[] = [], endpoint = "") => {
	const configuration = ["apiVersion: kubeadm.k8s.io/v1beta3", "kind: ClusterConfiguration", `kubernetesVersion: v${NEXT}`, "apiServer:", "  certSANs:"];
	const words = [...configuration, ...names.map((name) => `  - ${name}`), ...(endpoint === "" ? [] : [`controlPlaneEndpoint: ${endpoint}`])]
		.map((line) => `'${line}'`)
		.join(" ");
	host.command("kubectl", `case "$*" in *annotations*) echo '${answer}' ;; *kubeadm-config*) printf '%s\\n' ${words} ;; esac`);
};
const upgradeWorker = (host: FakeHost) => host.run("join", "apply", worker(upgraded));

test("a drained worker takes its configuration first, then the new kubelet by the packages step that the host keeps, and starts it", (t) => {
	const host = member(t, "join");
	drained(host);
	const { status, stdout, stderr } = upgradeWorker(host);
	assert.equal(status, 0, stderr);
	assert.equal(stdout, `k8s-node02 v${NEXT}\n`);
	const calls = host.calls().filter((call) => /^(kubeadm upgrade|packages|systemctl restart)/.test(call));
	assert.deepEqual(calls, ["kubeadm upgrade node", "packages apply WITH_KUBELET=yes of kubernetes", "systemctl restart -- kubelet.service"]);
	assert.equal(host.read(`${CLUSTER}/version`), NEXT);
	assert.equal(host.exists(`${CLUSTER}/upgrading`), false);
	assert.notEqual(host.read(KEPT), "of 1.29", "what the kubelet step puts back is of now");
	assert.match(host.read("/var/lib/kubelet/kubeadm-flags.env"), /pause:3\.10"/);
	host.forgetCalls();
	assert.equal(upgradeWorker(host).status, 0);
	assert.deepEqual(kubeadms(host), [], "there is nothing left to do");
});

test("one more control plane takes its components too, keeps its certificates, and waits for its own API server", (t) => {
	const host = member(t, "join");
	host.write(`${CLUSTER}/role`, "control-plane");
	drained(host);
	const { status, stderr } = host.run("join", "apply", worker({ ...upgraded, ROLE: "control-plane" }));
	assert.equal(status, 0, stderr);
	const calls = host.calls().filter((call) => /^(kubeadm upgrade|curl .*6443|packages)/.test(call));
	assert.deepEqual(calls.map((call) => call.replace(/^curl .* -- /, "curl ")).slice(0, 3), [
		"kubeadm upgrade node --certificate-renewal=false",
		"curl https://127.0.0.1:6443/readyz",
		"packages apply WITH_KUBELET=yes of kubernetes",
	]);
	assert.equal(host.read(`${CLUSTER}/version`), NEXT);
});
const NAMES = ["k8s-master", "172.16.1.110", "10.0.0.9", "172.16.1.100"];
for (const missing of [...NAMES, undefined])
	test(`one more control plane's API server gets a certificate where its own lacks ${missing ?? "nothing: then it gets none"}`, (t) => {
		const host = member(t, "join");
		host.write(`${CLUSTER}/role`, "control-plane");
		for (const end of ["key", "crt"]) host.write(`/etc/kubernetes/pki/ca.${end}`, `${end}\n`);
		// An address that begins like the one that is missing is another one.
		host.write("/etc/kubernetes/pki/apiserver.crt", certificate(365, ...NAMES.filter((name) => name !== missing), "172.16.1.1", "10.0.0.99", "k8s-master2"));
		playRenewal(host); // an API server that was stopped comes as another container
		drained(host, undefined, NAMES.slice(0, 3), "172.16.1.100:8443");
		host.command(
			"kubeadm",
			`[[ "$1" != version ]] || echo v${NEXT}; [[ "$*" != *"certs apiserver"* ]] || { config="\${*: -1}"; cp "$config" "\${KUBEADM_LAB_ROOT}/asked"; folder="$(awk '$1 == "certificatesDir:" {print $2}' "$config")"; for end in key crt; do echo "new $end" >"$folder/apiserver.$end"; done; }`,
		);
		const JOIN_CONFIG = `${HASH}\ncontrolPlane:\n  localAPIEndpoint:\n    advertiseAddress: 172.16.1.112\n`;
		const { status, stderr } = host.run("join", "apply", worker({ ...upgraded, ROLE: "control-plane", JOIN_CONFIG }));
		assert.equal(status, 0, stderr);
		assert.equal(host.exists("/run/kubeadm-lab-join.yaml"), false);
		assert.equal(host.exists("/asked"), missing !== undefined);
		if (missing === undefined) return;
		assert.ok(stderr.includes(`the API server's certificate names ${missing} too`), stderr);
		assert.equal(host.read("/etc/kubernetes/pki/apiserver.crt"), "new crt\n");
		assert.match(
			host.read("/asked"),
			/kind: InitConfiguration\nlocalAPIEndpoint:\n {2}advertiseAddress: 172\.16\.1\.112\nnodeRegistration:\n {2}name: k8s-node02\n {2}criSocket: "unix:/,
		);
	});
for (const [name, answer, told] of [
	["can't be read", "echo 'dial tcp 172.16.1.100:8443: refused' >&2; exit 1", "the API server does not answer: dial tcp 172.16.1.100:8443: refused"],
	["is none", "echo nothing", "ConfigMap kubeadm-config: found no ClusterConfiguration: nothing"],
] as const)
	test(`where the cluster's configuration ${name} after its components came, one more control plane stops there, and the next up goes on`, (t) => {
		const host = member(t, "join");
		host.write(`${CLUSTER}/role`, "control-plane");
		drained(host);
		const answers = host.read("/bin/kubectl");
		host.command(
			"kubectl",
			`if [[ "$*" == *kubeadm-config* ]] && grep -q 'kubeadm upgrade' "\${KUBEADM_LAB_ROOT}/calls"; then ${answer}; exit; fi\n${answers}`,
		);
		const settings = worker({ ...upgraded, ROLE: "control-plane" });
		const { status, stderr } = host.run("join", "apply", settings);
		assert.notEqual(status, 0);
		assert.ok(stderr.includes(told), stderr);
		assert.doesNotMatch(host.calls().join("\n"), /packages apply/);
		drained(host);
		assert.equal(host.run("join", "apply", settings).status, 0);
		assert.equal(host.read(`${CLUSTER}/version`), NEXT);
	});
test("when etcd and the API server have come as other containers after the kubelet's start, nobody waits for them to go", (t) => {
	const host = member(t, "join");
	host.write(`${CLUSTER}/role`, "control-plane");
	drained(host);
	host.command("crictl", `case "$*" in *etcd* | *kube-apiserver*) grep -c 'restart -- kubelet' "\${KUBEADM_LAB_ROOT}/calls" ;; esac`);
	assert.equal(host.run("join", "apply", worker({ ...upgraded, ROLE: "control-plane" })).status, 0);
	const looks = host.calls().filter((call) => /^curl .*6443\/readyz/.test(call));
	assert.ok(looks.length <= 8, `${looks.length} looks, two a second`);
});
test("a kubelet asks the API server anew by a start, on a host of this cluster alone", (t) => {
	const host = member(t, "join");
	assert.equal(host.run("reconnect", "apply", { CLUSTER_ID: ID }).status, 0);
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("systemctl restart")),
		["systemctl restart -- kubelet.service"],
	);
	host.forgetCalls();
	const { status, stderr } = host.run("reconnect", "apply", { CLUSTER_ID: "other-172.16.1.110" });
	assert.equal(status, 1);
	assert.match(stderr, /this host is in cluster \S+, expected other-172\.16\.1\.110\. Nothing was changed/);
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("systemctl")),
		[],
	);
});
test("another configuration of the kubelets reaches a worker without a drain, and a host that does not say which it has is left alone", (t) => {
	const host = member(t, "join");
	host.command("kubeadm", '[[ "$1" != version ]] || echo v1.29.15');
	const same = () => host.run("join", "apply", worker({ KUBELET_CONFIG: "another" }));
	assert.equal(same().status, 0);
	assert.deepEqual(kubeadms(host), ["version", "upgrade"]);
	host.forgetCalls();
	assert.equal(same().status, 0);
	assert.deepEqual(kubeadms(host), []);
	host.write(`${CLUSTER}/kubelet-config`, "");
	assert.equal(host.run("join", "apply", worker({ KUBELET_CONFIG: "a third" })).status, 0);
	assert.deepEqual(kubeadms(host), []);
	assert.equal(host.read(`${CLUSTER}/kubelet-config`), "a third");
});

test("a worker that is not drained is not upgraded, and nothing is changed there", (t) => {
	for (const answer of ["", NEXT, "1.31.14 drained", "The connection to the server was refused"]) {
		const host = member(t, "join");
		drained(host, answer);
		const { status, stderr } = upgradeWorker(host);
		assert.equal(status, 1);
		assert.match(stderr, /Node k8s-node02 was not drained for 1\.30\.14 \(found: .*\), and is not upgraded\. Nothing was changed\./);
		assert.deepEqual(kubeadms(host), ["version"]);
		assert.equal(host.read(KEPT), "of 1.29");
	}
});

test("a worker whose run died after the new kubelet was installed is not asked for its drain again, and gets the rest", (t) => {
	const host = member(t, "join");
	drained(host, "");
	host.write("/kubelet-version", NEXT);
	const { status, stderr } = upgradeWorker(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(
		host
			.calls()
			.filter((call) => /^(kubeadm upgrade|packages|systemctl restart)/.test(call))
			.map((call) => call.split(" ")[0]),
		["kubeadm", "systemctl"],
	);
	assert.equal(host.read(`${CLUSTER}/version`), NEXT);
});

test("a host of a version before, which does not say its version, is still upgraded where its run died after the new kubelet was installed", (t) => {
	const host = member(t, "join");
	for (const name of ["version", "kubelet-config"]) rmSync(join(host.root, CLUSTER, name));
	drained(host);
	host.write("/bin/systemctl", host.read("/bin/systemctl").replace("start | restart)", "restart) exit 1 ;;\n  start)"));
	assert.equal(upgradeWorker(host).status, 1);
	assert.deepEqual([host.read("/kubelet-version").trim(), host.read(`${CLUSTER}/version`)], [NEXT, "1.29.15"]);
	host.write("/bin/systemctl", host.read("/bin/systemctl").replace("restart) exit 1 ;;\n  start)", "start | restart)"));
	assert.equal(upgradeWorker(host).status, 0);
	assert.deepEqual([host.read(`${CLUSTER}/version`), host.exists(`${CLUSTER}/upgrading`)], [NEXT, false]);
});

test("a worker is never ahead of its API server", (t) => {
	const host = member(t, "join");
	host.command("kubectl", `case "$*" in *annotations*) echo '${NEXT} drained' ;; *version*) echo '  "gitVersion": "v1.29.15",' ;; esac`);
	const { status, stderr } = upgradeWorker(host);
	assert.equal(status, 1);
	assert.match(stderr, /the API server has Kubernetes 1\.29, expected 1\.30\.14 there first\. Nothing was changed\. Run pulumi up for the whole stack/);
});

test("an upgrade that kubeadm refuses leaves the version as it was, names what kubeadm said, and is done by the next run", (t) => {
	const host = member(t, "join");
	drained(host);
	host.write("/dies", "");
	const { status, stderr } = upgradeWorker(host);
	assert.equal(status, 1);
	assert.match(stderr, /kubeadm upgrade node failed \(bound: 2 s\): .*Run pulumi up again: it goes on there/);
	assert.deepEqual([host.read(`${CLUSTER}/version`), host.read(`${CLUSTER}/upgrading`)], ["1.29.15", NEXT]);
	host.command("kubeadm", `[[ "$1" != version ]] || echo v${NEXT}`);
	assert.equal(upgradeWorker(host).status, 0);
	assert.equal(host.read(`${CLUSTER}/version`), NEXT);
});

test("without the new kubeadm, and without the packages step's script, nothing is begun that could not be ended", (t) => {
	const old = member(t, "join");
	drained(old);
	old.command("kubeadm", '[[ "$1" != version ]] || echo v1.29.15');
	assert.match(upgradeWorker(old).stderr, /kubeadm is v1\.29\.15, expected v1\.30\.14, which the packages step installs\. Nothing was changed/);

	const bare = member(t, "join");
	drained(bare);
	bare.write("/var/lib/kubeadm-lab/scripts/used/packages", "packages-0000000000000000\n");
	const { status, stderr } = upgradeWorker(bare);
	assert.equal(status, 1);
	assert.match(stderr, /this host does not keep the packages step's script and settings\. To bring them again: pulumi up --replace '\*\*-k8s-node02-packages'/);
	assert.equal(bare.read(`${CLUSTER}/version`), "1.29.15");
});

test("where another version makes another cluster, a host of the old one is refused with both ways out", (t) => {
	const host = member(t, "init");
	const { status, stderr } = init(host, "apply", { KUBERNETES_VERSION: "" });
	assert.equal(status, 1);
	assert.match(
		stderr,
		/this cluster has Kubernetes 1\.29\.15, expected 1\.30\.14\. Nothing was changed in it\. To upgrade it: onVersionChange: upgrade\. .*pulumi up --replace '\*\*-control-plane-init'/,
	);
	assert.deepEqual(kubeadms(host), ["version"]);
});

test("a control plane without a snapshot of its etcd is not upgraded", (t) => {
	const host = member(t, "init");
	const { status, stderr } = init(host, "apply", upgraded);
	assert.equal(status, 1);
	assert.match(stderr, /no snapshot of etcd before the change: the lines above say why\. Nothing was changed/);
	assert.deepEqual(kubeadms(host), ["version"]);
	assert.equal(host.read(KEPT), "of 1.29");
});

test("the packages step leaves the kubelet of a Node that is to be upgraded, and no other package", (t) => {
	const host = member(t, "join");
	host.command(
		"rpm",
		`case "$*" in *--qf*) echo locked ;; *) for p in "$@"; do case "$p" in -*) ;; kubelet-1.29.15) echo "$p" ;; *) echo "package $p is not installed"; m=1; esac; done; exit \${m:-0} ;; esac`,
	);
	const missing = (settings: object) =>
		host
			.run("packages", "check", { PACKAGES: ["kubelet-1.30.14", "kubeadm-1.30.14"], EXTRA_PACKAGES: [], REPOSITORIES: [], ...settings } as never, "k8s-node02")
			.stdout.split("\n")
			.flatMap((line) => line.match(/^package (\S+)/)?.[1] ?? []);
	assert.deepEqual(missing({}), ["kubeadm-1.30.14"]);
	assert.deepEqual(missing({ UPGRADES: false }), ["kubelet-1.30.14", "kubeadm-1.30.14"]);
	host.write("/kubelet-version", "1.30.14");
	assert.deepEqual(missing({}), ["kubelet-1.30.14", "kubeadm-1.30.14"], "somebody was ahead: never back, a repository of one minor does not have the old one");
	rmSync(join(host.root, "kubelet-version"));
	host.write(`${CLUSTER}/upgrading`, NEXT);
	assert.deepEqual(missing({}), ["kubeadm-1.30.14"], "cut off before its kubelet came");
	host.write("/kubelet-version", NEXT);
	assert.deepEqual(missing({}), ["kubelet-1.30.14", "kubeadm-1.30.14"], "cut off after it: never back");
	rmSync(join(host.root, CLUSTER, "upgrading"));
	host.write(`${CLUSTER}/version`, "1.30.14");
	assert.deepEqual(missing({}), ["kubelet-1.30.14", "kubeadm-1.30.14"], "of an upgraded Node it is a difference like any other");
});
