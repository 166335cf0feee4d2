// What the preflight says of an upgrade before anything is changed: whether the version can be gone to, what it costs, and whether the repositories have it.
import assert from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ID } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";
import { goodHost, problems } from "./good-host.ts";

const NEXT = "1.30.14";
const CLUSTER = "/var/lib/kubeadm-lab/cluster";

/** A host that the preflight finds in this cluster, with 1.29.15 unless told otherwise. */
function inCluster(t: TestContext, values: Record<string, string> = {}): FakeHost {
	const host = goodHost(t);
	for (const [name, value] of Object.entries({ id: ID, node: "k8s-node02", finished: "yes", version: "1.29.15", ...values }))
		host.write(`${CLUSTER}/${name}`, value);
	return host;
}

test("the preflight lets a cluster go to a later patch and to the next minor, and neither further nor back", (t) => {
	const said = (settings: object, version = "1.29.15") => {
		const host = inCluster(t, { version });
		host.command("kubectl");
		return problems(host, settings as never);
	};
	const to = (version: string) => ({ KUBERNETES_VERSION: version, RELEASE_MINOR: Number(version.split(".")[1]) });
	assert.deepEqual([...said(to("1.29.15")), ...said(to("1.30.14")), ...said(to("1.18.20"), "1.18.3")], []);
	assert.deepEqual(said(to("1.31.14")), ["Kubernetes: found 1.29.15; expected 1.30 or newer, to go to 1.31.14"]);
	assert.deepEqual(said(to("1.28.15")), ["Kubernetes: found 1.29.15; expected 1.28.15 or older"]);
	assert.deepEqual(said(to("1.18.3"), "1.18.20"), ["Kubernetes: found 1.18.20; expected 1.18.3 or older"]);
	assert.deepEqual(said({ ...to("1.31.14"), UPGRADES: false }), [], "another cluster may have any");

	const host = inCluster(t, { upgrading: NEXT });
	host.command("kubectl");
	assert.deepEqual(problems(host, to(NEXT) as never), []);
	assert.deepEqual(problems(host, to("1.29.15") as never), [`Kubernetes: found an upgrade to ${NEXT} that was cut off; expected ${NEXT}`]);
});

/** As kubectl 1.29 prints what was applied, created and applied by the server through v1beta3 (test/upgrade has it do so). */
const APPLIED =
	'applied\t\t"{\\"apiVersion\\":\\"flowcontrol.apiserver.k8s.io/v1beta3\\",\\"kind\\":\\"FlowSchema\\"\nby-server\tflowcontrol.apiserver.k8s.io/v1beta3 \t\ncreated\t\t\nnewer\t\t"{\\"apiVersion\\":\\"flowcontrol.apiserver.k8s.io/v1\\"\n';
test("an upgrade to a minor that no longer has an API is refused while manifests were applied through that, by name", (t) => {
	const host = inCluster(t);
	host.write("/applied", APPLIED);
	host.command("kubectl", 'case "$*" in *flowschemas*) cat "$KUBEADM_LAB_ROOT/applied" ;; esac');
	const api = ["flowschemas", "prioritylevelconfigurations"].map((resource) => `${resource}.v1beta3.flowcontrol.apiserver.k8s.io`);
	const next = { KUBERNETES_VERSION: NEXT, RELEASE_MINOR: 30 };
	assert.deepEqual(problems(host, { ...next, REMOVED_APIS: api } as never), [
		"removed API: found flowschemas applied through flowcontrol.apiserver.k8s.io/v1beta3: applied by-server; expected none, for Kubernetes 1.30 no longer has it",
	]);
	assert.deepEqual(problems(host, { ...next, REMOVED_APIS: [] } as never), []);

	const policies = { ...next, REMOVED_APIS: ["podsecuritypolicies.v1beta1.policy"] } as never;
	host.command("kubectl", `printf 'Warning: policy/v1beta1 PodSecurityPolicy is deprecated\\n'; printf 'strict\\t\\t\\n'`);
	assert.deepEqual(problems(host, policies), ["removed API: found PodSecurityPolicies: strict; expected none, for Kubernetes 1.30 no longer heeds them"]);
	host.command("kubectl", `echo "error: the server doesn't have a resource type \\"podsecuritypolicies\\"" >&2; exit 1`);
	assert.deepEqual(problems(host, policies), [], "one that is turned off");
	host.command("kubectl", "echo 'The connection to the server was refused' >&2; exit 1");
	assert.deepEqual(problems(host, policies), [
		"API server: found no answer to which podsecuritypolicies there are: The connection to the server was refused; expected one, for Kubernetes 1.30 no longer has policy/v1beta1",
	]);
	host.write(`${CLUSTER}/upgrading`, NEXT);
	assert.deepEqual(problems(host, policies), [], "one that was cut off is ended, whoever answers");
});

test("the preflight's facts name the Pods that an upgrade's drain ends for good", (t) => {
	const host = inCluster(t);
	host.command(
		"kubectl",
		"printf 'a/bare none \\na/owned ReplicaSet \\na/with ReplicaSet emptyDir\\nkube-system/proxy DaemonSet emptyDir\\nkube-system/etcd Node \\n'",
	);
	host.command("crictl", "printf 'IMAGE TAG IMAGE_ID SIZE\\nregistry.k8s.io/pause 3.9 e6f18 1MB\\n'; [[ $1 != inspecti ]]");
	const IMAGES = ["registry.k8s.io/kube-proxy:v1.30.14", "registry.k8s.io/pause:3.9", "registry.k8s.io/coredns/coredns:v1.11.3"];
	const { stdout } = host.run("preflight", "apply", { KUBERNETES_VERSION: NEXT, RELEASE_MINOR: 30, IMAGES });
	assert.match(
		stdout,
		/^upgrade in place=1\.29\.15 -> 1\.30\.14\nnew images=kube-proxy:v1\.30\.14,coredns:v1\.11\.3\nlost by its drain=a\/bare \(no controller makes it again\),a\/with \(what is in its emptyDir\)$/m,
	);
	const of = (step: string) => {
		host.write(`${CLUSTER}/step`, step);
		host.write(`${CLUSTER}/role`, "control-plane");
		return host.run("preflight", "apply", { KUBERNETES_VERSION: NEXT, RELEASE_MINOR: 30, IMAGES, ROLE: "control-plane" }).stdout;
	};
	assert.match(of("join"), /^lost by its drain=a\/bare/m, "a control plane that joined is drained as well");
	assert.doesNotMatch(of("init"), /lost by its drain/);
});

/** Answers of dnf 4.14 (Debian 12), asked for local packages; and as yum 3.4.3 prints them, a value that its column does not hold on a line of its own (fmtColumns in its output.py). */
const DNF_LIST = `Available Packages
kubeadm.noarch                                               1.30.14-150500.1.1              kubeadm-lab-k
kubelet.noarch                                               1.29.15-150500.1.1              kubeadm-lab-k
kubelet.noarch                                               1.30.9-150500.1.1               kubeadm-lab-k
kubelet.noarch                                               1.30.10-150500.1.1              kubeadm-lab-k
kubelet.noarch                                               1.30.11-150500.1.1              kubeadm-lab-k
docker-ce.noarch                                             3:26.1.4-150500.1.1             kubeadm-lab-k
`;
const YUM_3_LIST = `No plugin match for: versionlock
Available Packages
kubeadm.x86_64            1.30.14-150500.1.1              kubeadm-lab-kubernetes
kubelet.x86_64            1.29.15-150500.1.1              kubeadm-lab-kubernetes
kubelet.x86_64            1.30.9-150500.1.1               kubeadm-lab-kubernetes
kubelet.x86_64            1.30.10-150500.1.1              kubeadm-lab-kubernetes
kubelet.x86_64
                          1.30.11-150500.1.1.of.a.long.one.indeed
                                                          kubeadm-lab-kubernetes
docker-ce.x86_64          3:26.1.4-1.el7                  kubeadm-lab-docker-ce
`;
const NONE = "echo 'Error: No matching Packages to list' >&2; exit 1";
const PLAN = {
	KUBERNETES_VERSION: NEXT,
	RELEASE_MINOR: 30,
	PACKAGES: ["kubelet-1.30.14", "kubeadm-1.30.14", "docker-ce-26.1.4", "containerd.io-1.6.33"],
	REPOSITORIES: "[kubeadm-lab-kubernetes]\nbaseurl=http://a/\n[kubeadm-lab-docker-ce]\nbaseurl=http://b/\n",
};
/** A host in the cluster that has containerd.io in the wanted version, and whose yum does `yum`. */
function asked(t: TestContext, yum: string, isDnf = true): FakeHost {
	const host = inCluster(t);
	host.command("kubectl");
	host.command(
		"rpm",
		`[[ "$1" == -q ]] || exit 0; shift; for p in "$@"; do case "$p" in containerd.io-1.6.33) echo "$p" ;; *) echo "package $p is not installed"; m=1 ;; esac; done; exit \${m:-0}`,
	);
	const name = isDnf ? "dnf-3" : "yum";
	host.command(name, yum);
	if (isDnf) {
		rmSync(join(host.root, "bin/yum"));
		symlinkSync("dnf-3", join(host.root, "bin/yum"));
	}
	return host;
}
const answers = (text: string) => `cat <<'END'\n${text}END`;
const WHERE = "kubeadm-lab-kubernetes kubeadm-lab-docker-ce";

test("an upgrade to a version that the repositories do not have is refused, with the newest that they have", (t) => {
	for (const [list, isDnf] of [
		[DNF_LIST, true],
		[YUM_3_LIST, false],
	] as const) {
		const host = asked(t, answers(list), isDnf);
		const before = host.snapshot("/");
		assert.deepEqual(problems(host, PLAN as never), [`packages: found no kubelet-1.30.14 in ${WHERE}; expected each package of the wanted versions`]);
		assert.deepEqual({ ...host.snapshot("/"), "/calls": "" }, { ...before, "/calls": "" }, "nothing is changed, and nothing left");
		const { stderr } = host.run("preflight", "apply", PLAN as never);
		assert.match(
			stderr,
			/To go on: choose a version that they have \(of kubelet: 1\.30\.11 1\.30\.10 1\.30\.9\), or correct the repositories in the stack's file\.$/m,
		);
		host.command(isDnf ? "dnf-3" : "yum", answers(list.replaceAll("1.30.11-", "1.30.14-")));
		assert.deepEqual(problems(host, PLAN as never), []);
	}
	assert.deepEqual(problems(asked(t, NONE), { ...PLAN, PACKAGES: ["kubelet-1.30.14", "containerd.io-1.6.33"] } as never), [
		`packages: found no kubelet-1.30.14 in ${WHERE}; expected each package of the wanted versions`,
	]);
});

test("they are asked as the stack's file has them now, past all that yum keeps on the host", (t) => {
	const kept = { "dnf-3": ["persistdir", "logdir"], yum: ["_repos_persistdir"] };
	for (const [name, places] of Object.entries(kept)) {
		const note = `for w in "$@"; do case "$w" in --setopt=reposdir=*) cp -- "\${w#*reposdir=}"/*.repo "$KUBEADM_LAB_ROOT/asked"; stat -c %a -- "\${w#*reposdir=}" >>"$KUBEADM_LAB_ROOT/asked" ;; esac; done`;
		const host = asked(t, `${note}\n${answers(DNF_LIST)}`, name !== "yum");
		host.run("preflight", "apply", PLAN as never);
		assert.equal(host.read("/asked"), `${PLAN.REPOSITORIES}\n700\n`);
		const call = host.calls().find((line) => line.startsWith(`${name} `)) ?? assert.fail("yum was not called");
		const folder = call.match(/reposdir=(\S+)/)?.[1] ?? "";
		assert.ok(folder.startsWith(`${host.root}/run/kubeadm-lab-preflight.`), call);
		for (const place of ["cachedir", ...places]) assert.ok(call.includes(` --setopt=${place}=${folder}`), `${place}: ${call}`);
		assert.match(call, /--disablerepo=\* .*--enablerepo=kubeadm-lab-kubernetes --enablerepo=kubeadm-lab-docker-ce --disableplugin=versionlock/);
		assert.match(call, / list available --showduplicates kubelet kubeadm docker-ce$/, "not containerd.io, which is here");
	}
});

test("a repository that does not answer is told with yum's last words", (t) => {
	const words =
		"Error: Failed to download metadata for repo 'kubeadm-lab-k': Cannot download repomd.xml: Cannot download repodata/repomd.xml: All mirrors were tried";
	const said = problems(asked(t, `printf '%s\\n' 'Unable to detect release version' "${words}" '' >&2; exit 1`), PLAN as never);
	assert.deepEqual(said, [
		`packages: found no answer from one of ${WHERE}: ${words}; expected repositories that say whether they have kubelet-1.30.14, kubeadm-1.30.14, docker-ce-26.1.4`,
	]);
	assert.match(problems(asked(t, "exit 124"), PLAN as never).join(), /no answer from one of .*: nothing in 300 s;/);
	assert.match(problems(asked(t, "exit 1"), PLAN as never).join(), /: yum said nothing;/);
});

test("nobody is asked on a bare host, without another version, where it cannot be reached in one step, or with all packages here; half-way, for what is left", (t) => {
	const yums = (settings: object, values: Record<string, string> = {}, isBare = false) => {
		const host = asked(t, answers(DNF_LIST));
		for (const [name, value] of Object.entries(values)) host.write(`${CLUSTER}/${name}`, value);
		if (isBare) rmSync(join(host.root, CLUSTER), { recursive: true });
		host.run("preflight", "apply", { ...PLAN, ...settings } as never);
		return host.calls().flatMap((call) => call.match(/^dnf-3 .* --showduplicates (.*)$/)?.[1] ?? []);
	};
	assert.deepEqual(yums({}, {}, true), []);
	assert.deepEqual(yums({ KUBERNETES_VERSION: "1.29.15", RELEASE_MINOR: 29 }), []);
	assert.deepEqual(yums({ KUBERNETES_VERSION: "1.31.14", RELEASE_MINOR: 31 }), []);
	assert.deepEqual(yums({ UPGRADES: false }), []);
	assert.deepEqual(yums({ PACKAGES: ["containerd.io-1.6.33"] }), []);
	assert.deepEqual(yums({ PACKAGES: ["kubelet-1.30.14", "containerd.io-1.6.33"] }, { upgrading: NEXT }), ["kubelet"]);
});
