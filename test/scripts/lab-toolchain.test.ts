// lab/toolchain/build.sh with a played Go: what is rebuilt when, and that a build which fails anywhere is none.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const project = join(import.meta.dirname, "../..");

/** A copy of the lab's sources, and a go that makes an empty file of whatever it is asked to build. */
function builder(t: TestContext) {
	const host = new FakeHost(t);
	for (const folder of ["toolchain", "eras"]) cpSync(join(project, "lab", folder), join(host.root, "lab", folder), { recursive: true });
	host.write("/module/cmd/pulumi-resource-kubernetes/schema.json", "{}");
	host.write("/module/cmd/pulumi-resource-kubernetes/terraform-mapping.json", "{}");
	host.command(
		"go",
		`case "$1" in
env) echo go1.26 ;;
list) case "$*" in *Version*) echo v1.2.3 ;; *) echo "\${KUBEADM_LAB_ROOT}/module" ;; esac ;;
build) while [[ "$1" != -o ]]; do shift; done; if [[ "$2" == */ ]]; then touch "$2built"; else touch "$2"; fi ;;
esac`,
	);
	const env = { ...process.env, PATH: `${host.root}/bin:${process.env.PATH}`, KUBEADM_LAB_ROOT: host.root };
	const build = (...pieces: string[]) =>
		spawnSync("bash", [join(host.root, "lab/toolchain/build.sh"), "default", join(host.root, "out"), ...pieces], { encoding: "utf8", env });
	return { host, build };
}

test("a command that fails in the middle of a piece fails the piece, and nothing stands under its name", (t) => {
	const { host, build } = builder(t);
	rmSync(join(host.root, "module/cmd/pulumi-resource-kubernetes/schema.json"));
	const { status, stderr } = build("kubernetes-provider");
	assert.equal(status, 1);
	assert.match(stderr, /schema\.json[\s\S]*error: building kubernetes-provider \(era default\) failed; the lines above say why/);
	assert.deepEqual(
		readdirSync(join(host.root, "out")).filter((name) => !name.includes(".part")),
		[],
	);
});
test("an edited recipe rebuilds its own piece alone, and an edited go.mod too", (t) => {
	const { host, build } = builder(t);
	const pieces = ["etcd", "crane", "kubernetes-provider"];
	const folders = () =>
		Object.fromEntries(
			build(...pieces)
				.stdout.trim()
				.split("\n")
				.map((line) => line.split("\t") as [string, string]),
		);
	const first = folders();
	assert.deepEqual(Object.keys(first), ["etcd", "crane", "kubernetes-provider"]);
	for (const folder of Object.values(first)) assert.ok(existsSync(folder), folder);
	const script = join(host.root, "lab/toolchain/build.sh");
	writeFileSync(script, readFileSync(script, "utf8").replace("build_crane() { go_build \"$1\" ''", "build_crane() { go_build \"$1\" '-X a.b=c'"));
	const second = folders();
	assert.notEqual(second.crane, first.crane);
	assert.deepEqual({ ...second, crane: "" }, { ...first, crane: "" });
	writeFileSync(join(host.root, "lab/toolchain/etcd/go.mod"), "module other\n");
	assert.notEqual(folders().etcd, first.etcd);
});
test("a piece of an era that was never built, and no network: what is missing is named, and what to do", (t) => {
	const folder = mkdtempSync(join(tmpdir(), "kubeadm-lab-test-"));
	t.after(() => rmSync(folder, { recursive: true, force: true }));
	const env = { ...process.env, GOMODCACHE: join(folder, "mod"), GOCACHE: join(folder, "cache"), GOPROXY: "https://proxy.invalid", GOFLAGS: "-modcacherw" };
	const build = ["bash", join(project, "lab/toolchain/build.sh"), "2020", join(folder, "out"), "kubernetes"];
	const { status, stderr } = spawnSync("unshare", ["--map-root-user", "--net", ...build], { encoding: "utf8", env });
	assert.equal(status, 1);
	assert.match(stderr, /k8s\.io\/kubernetes@v1\.18\.3: Get "https:\/\/proxy\.invalid\//, "Go's own words come first");
	assert.match(stderr, /error: building kubernetes \(era 2020\) failed; .* see go env GOPROXY, and run this again when it answers\. What is built is kept\n$/);
	assert.deepEqual(
		readdirSync(join(folder, "out")).filter((name) => !name.includes(".part")),
		[],
	);
});
test("an era's own piece goes before the default's", (t) => {
	const { host } = builder(t);
	const env = { ...process.env, PATH: `${host.root}/bin:${process.env.PATH}`, KUBEADM_LAB_ROOT: host.root };
	const name = (era: string, piece: string) =>
		spawnSync("bash", [join(host.root, "lab/toolchain/build.sh"), era, join(host.root, "out"), piece], { encoding: "utf8", env }).stdout.trim();
	assert.notEqual(name("2020", "coredns"), name("default", "coredns"));
	assert.equal(name("2020", "crane"), name("default", "crane"));
});
