// Packages: installed in one go from the stack's repositories, and taken away as far as nobody else needs them.
import assert from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

/** rpm with a database of one line per package: name, version. Keys are gpg-pubkey lines, as in the real one. */
const RPM = `db="\${KUBEADM_LAB_ROOT}/rpmdb"
find() { awk -v want="$1" '{ n = $1; v = $1 "-" $2 } n == want || v == want || n ".x86_64" == want || v "-1" == want || v "-1.x86_64" == want' "\${db}" | grep .; }
status=0
case "$*" in
-qa*) awk '{ print $1, "x86_64", "gpg-pubkey-" $2 "-1" }' "\${db}" ;;
-q\\ --whatprovides*) echo "\${*: -1}.x86_64" ;;
-q\\ --qf*) shift 3; for p in "$@"; do find "$p" | sed 's/\\(.*\\) \\(.*\\)/0:\\1-\\2-1.*/'; done ;;
-q\\ *) shift; for p in "$@"; do find "$p" >/dev/null && echo "$p" || { echo "package $p is not installed"; status=1; }; done ;;
-e\\ --test*) shift 2; while read -r needed by; do for p in "$@"; do [[ "$p" != "\${needed}.x86_64" ]] || { printf '\\t%s is needed by (installed) %s\\n' "\${needed}" "\${by}" >&2; status=1; }; done; done < <(cat "\${KUBEADM_LAB_ROOT}/needs" 2>/dev/null) ;;
-e*) shift; for p in "$@"; do [[ "$p" == -* ]] || { find "$p" >/dev/null || exit 1; line="$(find "$p")"; grep -Fxv "\${line}" "\${db}" >"\${db}.new"; mv "\${db}.new" "\${db}"; }; done ;;
esac
exit "\${status}"`;
/** yum that has every package asked for, brings a dependency and imports a key; \`hook\` runs in the middle of the transaction. */
const YUM = `db="\${KUBEADM_LAB_ROOT}/rpmdb"
[[ "$*" == *" install "* ]] || exit 0
all="$*" names="\${all##* install }"
grep -q '^gpg-pubkey ' "\${db}" || echo 'gpg-pubkey 23262f63' >>"\${db}"
echo 'container-selinux 2.107' >>"\${db}"
for n in \${names}; do
  [[ ! -e "\${KUBEADM_LAB_ROOT}/hook" ]] || . "\${KUBEADM_LAB_ROOT}/hook"
  case "$n" in *-[0-9]*) echo "\${n%-*} \${n##*-}" ;; *) echo "$n 1.0" ;; esac >>"\${db}"
done
mkdir -p "\${KUBEADM_LAB_ROOT}/etc/yum/pluginconf.d" "\${KUBEADM_LAB_ROOT}/var/lib/containerd/images"
printf '[main]\\nlocklist = /etc/yum/pluginconf.d/versionlock.list' >"\${KUBEADM_LAB_ROOT}/etc/yum/pluginconf.d/versionlock.conf"
[[ -e "\${KUBEADM_LAB_ROOT}/etc/yum/pluginconf.d/versionlock.list" ]] || : >"\${KUBEADM_LAB_ROOT}/etc/yum/pluginconf.d/versionlock.list"`;
const BARE = "rpm 4.11.3\nbash 4.2.46\nsocat 1.7\n";

function bareHost(t: TestContext): FakeHost {
	const host = new FakeHost(t);
	host.write("/rpmdb", BARE);
	host.write("/etc/yum.repos.d/CentOS-Base.repo", "[base]\nenabled=1\n");
	host.command("rpm", RPM);
	host.command("yum", YUM);
	host.command("pgrep", "exit 1");
	return host;
}
const yums = (host: FakeHost) => host.calls().filter((call) => call.startsWith("yum "));
const SETTINGS = { PACKAGES: ["kubelet-1.29.15", "containerd.io-1.6.33"], EXTRA_PACKAGES: ["socat", "yum-plugin-versionlock"] };

/** What keeps the host's own [main] out of our transactions. Not --disableexcludes of a repository of ours: what its settings exclude is excluded. */
const IMMUNE =
	"--disableexcludes=main --setopt=retries=3 --setopt=tsflags= --setopt=assumeno=0 --setopt=obsoletes=1 --setopt=multilib_policy=best --setopt=reposdir=/etc/yum.repos.d";

test("what is missing comes in one yum transaction from our repositories alone, keys checked", (t) => {
	const host = bareHost(t);
	const { status, stderr } = host.run("packages", "apply", SETTINGS);
	assert.equal(status, 0, stderr);
	const own = ["centos", "docker-ce", "kubernetes"].map((id) => `--enablerepo=kubeadm-lab-${id}`).join(" ");
	assert.deepEqual(yums(host), [
		`yum -y -q --disablerepo=* ${IMMUNE} --setopt=skip_broken=0 ${own} install kubelet-1.29.15 containerd.io-1.6.33 yum-plugin-versionlock`,
	]);
	assert.match(host.read("/etc/yum.repos.d/kubeadm-lab-kubernetes.repo"), /^\[kubeadm-lab-kubernetes\]\nname=kubernetes\n(?:.*\n)*gpgcheck=1\n/);
	assert.equal(
		host.read("/etc/yum/pluginconf.d/versionlock.list"),
		"# kubeadm-lab begin\n0:kubelet-1.29.15-1.*\n0:containerd.io-1.6.33-1.*\n# kubeadm-lab end\n",
	);
	assert.equal(host.run("packages", "check", SETTINGS).status, 0);
});

test("with everything installed yum is not called at all", (t) => {
	const host = bareHost(t);
	host.run("packages", "apply", SETTINGS);
	host.forgetCalls();
	assert.equal(host.run("packages", "apply", SETTINGS).status, 0);
	assert.deepEqual(yums(host), []);
});

test("undo removes what was not there before, dependencies and keys too, and nothing else", (t) => {
	const host = bareHost(t);
	host.run("packages", "apply", SETTINGS);
	for (let i = 0; i < 2; i++) {
		const { status, stderr } = host.run("packages", "undo", SETTINGS);
		assert.equal(status, 0, stderr);
		assert.equal(host.read("/rpmdb"), BARE);
		assert.deepEqual(Object.keys(host.snapshot("/etc/yum.repos.d")), ["/etc/yum.repos.d/CentOS-Base.repo"]);
		assert.equal(host.read("/etc/yum/pluginconf.d/versionlock.list"), "");
		assert.equal(host.exists("/var/lib/containerd"), false);
		assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	}
	assert.equal(host.run("packages", "check", SETTINGS).status, 3);
});

test("packages stay when they are to stay, without locks, keys and repositories", (t) => {
	const host = bareHost(t);
	host.run("packages", "apply", SETTINGS);
	assert.equal(host.run("packages", "undo", { ...SETTINGS, REMOVE_ON_UNDO: false }).status, 0);
	assert.match(host.read("/rpmdb"), /^kubelet 1\.29\.15$/m);
	assert.doesNotMatch(host.read("/rpmdb"), /gpg-pubkey/);
	assert.equal(host.exists("/var/lib/containerd/images"), true);
	assert.deepEqual(Object.keys(host.snapshot("/etc/yum.repos.d")), ["/etc/yum.repos.d/CentOS-Base.repo"]);
});

test("a package that others have come to need stays, and is named", (t) => {
	const host = bareHost(t);
	host.run("packages", "apply", SETTINGS);
	host.write("/needs", "containerd.io nerdctl-1.7\n");
	const { status, stderr } = host.run("packages", "undo", SETTINGS);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /package containerd\.io\.x86_64 stays: others need it by now/);
	assert.equal(host.read("/rpmdb"), `${BARE}containerd.io 1.6.33\n`);
	assert.match(stderr, /the data of containerd\.io stays with it: \/var\/lib\/containerd /);
	assert.equal(host.exists("/var/lib/containerd/images"), true);
});

test("volumes of a Docker that somebody installed meanwhile stay, whether it needs our containerd or not", (t) => {
	for (const needs of ["", "containerd.io docker-ce-19\n"]) {
		const host = bareHost(t);
		host.run("packages", "apply", SETTINGS);
		host.write("/var/lib/docker/volumes/db/_data/rows", "1");
		host.write("/needs", needs);
		assert.equal(host.run("packages", "undo", SETTINGS).status, 0);
		assert.equal(host.read("/var/lib/docker/volumes/db/_data/rows"), "1", needs);
		assert.equal(host.exists("/var/lib/containerd/images"), needs !== "");
	}
});

test("a transaction that is killed in the middle is ended by the next apply, and all of it counts as ours", (t) => {
	const host = bareHost(t);
	const settings = { ...SETTINGS, EXTRA_PACKAGES: ["yum-plugin-versionlock"] };
	host.write("/hook", `[[ "$n" != containerd.io-* ]] || { rm "\${KUBEADM_LAB_ROOT}/hook"; kill -9 "$(awk '{print $4}' /proc/$PPID/stat)" $PPID $$; }\n`);
	assert.equal(host.run("packages", "apply", settings).status, null);
	host.write("/hook", "");
	const killed = host.read("/rpmdb");
	assert.match(killed, /kubelet/);
	assert.doesNotMatch(killed, /containerd/);
	assert.match(host.run("packages", "check", settings).stdout, /^yum transaction\tended\twas cut off$/m);
	assert.equal(host.run("packages", "apply", settings).status, 0);
	assert.equal(host.run("packages", "check", settings).status, 0);
	assert.equal(host.run("packages", "undo", settings).status, 0);
	assert.equal(host.read("/rpmdb"), BARE);
});

test("undo right after a kill in the middle also knows what came", (t) => {
	const host = bareHost(t);
	host.write("/hook", `[[ "$n" != containerd.io-* ]] || { rm "\${KUBEADM_LAB_ROOT}/hook"; kill -9 "$(awk '{print $4}' /proc/$PPID/stat)" $PPID $$; }\n`);
	assert.equal(host.run("packages", "apply", SETTINGS).status, null);
	assert.equal(host.run("packages", "undo", SETTINGS).status, 0);
	assert.equal(host.read("/rpmdb"), BARE);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});

test("a package that no repository has is named, with the repositories and the command that shows them", (t) => {
	const host = bareHost(t);
	host.command("yum", "exit 0");
	const { status, stderr } = host.run("packages", "apply", SETTINGS);
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: packages: not in these repositories: kubelet-1\.29\.15, containerd\.io-1\.6\.33, yum-plugin-versionlock\. Repositories: kubeadm-lab-centos kubeadm-lab-docker-ce kubeadm-lab-kubernetes\. If this host reaches them only through a proxy, set proxy in the stack's file\. See what they have: yum --disablerepo='\*' --enablerepo='kubeadm-lab-\*' --disableexcludes=main --disableplugin=versionlock --showduplicates list kubelet\n$/,
	);
});

test("what a repository of ours excludes is in its file, and nothing on yum's command line brings it back", (t) => {
	const host = bareHost(t);
	const repositories = ["centos\n[kubeadm-lab-centos]\nbaseurl=http://192.0.2.1/\nexclude=kernel*\n"];
	assert.equal(host.run("packages", "apply", { ...SETTINGS, REPOSITORIES: repositories }).status, 0);
	assert.match(host.read("/etc/yum.repos.d/kubeadm-lab-centos.repo"), /^exclude=kernel\*$/m);
	for (const call of yums(host)) assert.deepEqual(call.match(/--disableexcludes=\S+/g), ["--disableexcludes=main"]);
});

test("dnf, which skips what it can't find where its own settings say so, is told not to", (t) => {
	const host = bareHost(t);
	host.command("dnf-3", YUM);
	rmSync(join(host.root, "bin/yum"));
	symlinkSync("dnf-3", join(host.root, "bin/yum"));
	host.run("packages", "apply", SETTINGS);
	assert.match(host.calls().find((call) => call.includes(" install ")) ?? "", / --setopt=strict=1 --enablerepo=kubeadm-lab-centos /);
});

test("a lock of the host's own that keeps a package from coming is named, and so are plugins that are off", (t) => {
	const host = bareHost(t);
	host.write("/etc/yum/pluginconf.d/versionlock.conf", "[main]\nenabled = 1\nlocklist = /etc/yum/pluginconf.d/versionlock.list\n");
	host.write("/etc/yum/pluginconf.d/versionlock.list", "# by hand: containerd.io\n0:containerd.io-1.4.9-3.1.el7.*\n0:bash-4.2.46-1.*\n");
	const working = host.read("/bin/yum");
	host.command("yum", "echo 'No package containerd.io-1.6.33 available.' >&2; exit 1");
	const refused = host.run("packages", "apply", SETTINGS);
	assert.equal(refused.status, 1);
	assert.match(refused.stderr, /packages: \/etc\/yum\/pluginconf\.d\/versionlock\.list locks 0:containerd\.io-1\.4\.9-3\.1\.el7\.\*: take that out where/);
	assert.doesNotMatch(refused.stderr, /locks .*bash/);
	host.write("/bin/yum", working);
	host.write("/etc/yum.conf", "[main]\nplugins = 0\n");
	const { status, stderr } = host.run("packages", "apply", SETTINGS);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /packages: \/etc\/yum\.conf has plugins = 0: the lock on versions has no effect here/);
});

test("a repository that is no longer in the settings goes, and a changed one makes yum forget the old one's metadata", (t) => {
	const host = bareHost(t);
	host.run("packages", "apply", SETTINGS);
	host.forgetCalls();
	const repositories = ["centos\n[kubeadm-lab-centos]\nbaseurl=http://192.0.2.1/\n"];
	const { status, stderr } = host.run("packages", "apply", {
		...SETTINGS,
		REPOSITORIES: repositories,
		EXTRA_PACKAGES: ["socat", "ipset", "yum-plugin-versionlock"],
	});
	assert.equal(status, 0, stderr);
	assert.deepEqual(Object.keys(host.snapshot("/etc/yum.repos.d")), ["/etc/yum.repos.d/CentOS-Base.repo", "/etc/yum.repos.d/kubeadm-lab-centos.repo"]);
	assert.deepEqual(
		yums(host).map((call) => call.replace(/^.*--enablerepo=kubeadm-lab-centos /, "")),
		["clean metadata", "install ipset"],
	);
});

test("trouble with rpm itself is not taken for a missing package", (t) => {
	const host = bareHost(t);
	host.command("rpm", "echo 'error: db5 error(-30973) from dbenv->open'; exit 1");
	const { status, stderr } = host.run("packages", "apply", SETTINGS);
	assert.equal(status, 1);
	assert.match(stderr, /error: rpm -q failed: error: db5 error/);
	assert.deepEqual(yums(host), []);
});

/** yum 3 in a host's life: install does nothing for a package that is there and newer, downgrade needs it there; \`repositories/<word of the call>\` hold names with versions. */
const LATER_YUM = `db="\${KUBEADM_LAB_ROOT}/rpmdb" verb="" wanted="\${*: -1}" repository=theirs
[[ "$*" != *--enablerepo=* ]] || repository=ours
for word in "$@"; do [[ "\${word}" == -* || -n "\${verb}" ]] || verb="\${word}"; done
grep -Fxq "\${wanted}" "\${KUBEADM_LAB_ROOT}/repositories/\${repository}" || { echo 'No package available.' >&2; exit 1; }
name="\${wanted%-*-*}" version="\${wanted#"\${wanted%-*-*}"-}"
is_there=no; ! grep -q "^\${name} " "\${db}" || is_there=yes
[[ "\${verb} \${is_there}" == "install no" || "\${verb} \${is_there}" == "downgrade yes" || "\${wanted}" == chrony-3.4-* && "\${verb}" == install ]] || exit 0
{ grep -v "^\${name} " "\${db}"; echo "\${name} \${version%-1.x86_64}"; } >"\${db}.new"; mv "\${db}.new" "\${db}"`;
/** containerd.io obsoletes runc, its repository has a newer libseccomp, and an older chrony is pinned. */
function hostWithReplaced(t: TestContext, theirs: string[], ours: string[] = []): FakeHost {
	const host = bareHost(t);
	host.write("/rpmdb", `${BARE}chrony 3.4\nlibseccomp 2.3\nrunc 1.0.0\n`);
	host.write(
		"/hook",
		`[[ "$n" != containerd.io-* ]] || { grep -Ev '^(runc|libseccomp|chrony) ' "\${db}" >"\${db}.new"; printf '%s\\n' 'libseccomp 2.5' 'chrony 3.2' >>"\${db}.new"; mv "\${db}.new" "\${db}"; }`,
	);
	assert.equal(host.run("packages", "apply", SETTINGS).status, 0);
	assert.doesNotMatch(host.read("/rpmdb"), /runc/);
	host.command("yum", LATER_YUM);
	host.write("/repositories/theirs", theirs.map((name) => `${name}-1.x86_64\n`).join(""));
	host.write("/repositories/ours", ours.map((name) => `${name}-1.x86_64\n`).join(""));
	return host;
}
const sorted = (text: string) => text.trim().split("\n").sort();

test("packages that were obsoleted, upgraded and downgraded come back in their version, from our repositories or the host's", (t) => {
	const host = hostWithReplaced(t, ["runc-1.0.0", "libseccomp-2.3"], ["chrony-3.4"]);
	const { status, stderr } = host.run("packages", "undo", SETTINGS);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /package runc-1\.0\.0-1\.x86_64 is back\n/);
	assert.deepEqual(sorted(host.read("/rpmdb")), sorted(`${BARE}chrony 3.4\nlibseccomp 2.3\nrunc 1.0.0\n`));
	assert.doesNotMatch(stderr, /can't be had/);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});

test("what can't be had in its version of before is told at the end, with the command for it", (t) => {
	const host = hostWithReplaced(t, ["libseccomp-2.3"]);
	const { status, stderr } = host.run("packages", "undo", SETTINGS);
	assert.equal(status, 0, stderr);
	assert.match(
		stderr,
		/packages: packages that were replaced, and can't be had in their version of before: chrony, which was 3\.4-1 and is 3\.2-1 \(yum install chrony-3\.4-1\.x86_64\); runc, which was 1\.0\.0-1 and is none \(yum install runc-1\.0\.0-1\.x86_64\); get them from a repository that has them/,
	);
	assert.deepEqual(sorted(host.read("/rpmdb")), sorted(`${BARE}chrony 3.2\nlibseccomp 2.3\n`));
});

test("a package that somebody has changed or removed since our transaction stays so", (t) => {
	const host = hostWithReplaced(t, ["libseccomp-2.3", "chrony-3.4", "runc-1.0.0"]);
	host.write("/rpmdb", host.read("/rpmdb").replace("chrony 3.2\n", "").replace("libseccomp 2.5", "libseccomp 2.7"));
	const { status, stderr } = host.run("packages", "undo", SETTINGS);
	assert.equal(status, 0, stderr);
	assert.deepEqual(sorted(host.read("/rpmdb")), sorted(`${BARE}libseccomp 2.7\nrunc 1.0.0\n`));
});

test("a package that two of our transactions changed comes back in its first version", (t) => {
	const host = hostWithReplaced(t, ["runc-1.0.0", "libseccomp-2.3", "chrony-3.4"]);
	host.command("yum", YUM);
	host.write("/hook", `[[ "$n" != ipset ]] || sed -i 's/^libseccomp .*/libseccomp 2.6/' "\${db}"`);
	const more = { ...SETTINGS, EXTRA_PACKAGES: [...SETTINGS.EXTRA_PACKAGES, "ipset"] };
	assert.equal(host.run("packages", "apply", more).status, 0);
	host.command("yum", LATER_YUM);
	assert.equal(host.run("packages", "undo", more).status, 0);
	assert.match(host.read("/rpmdb"), /^libseccomp 2\.3$/m);
});

test("packages that are to stay stay in the versions that they have", (t) => {
	const host = hostWithReplaced(t, ["runc-1.0.0"]);
	const { status, stderr } = host.run("packages", "undo", { ...SETTINGS, REMOVE_ON_UNDO: false });
	assert.deepEqual([status, stderr.includes("runc")], [0, false]);
});
