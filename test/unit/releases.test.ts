// The table of releases: which goes with which kernel, runtime and flannel.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
	checkCombination,
	compareVersions,
	findRelease,
	nearestVersion,
	RELEASE_VERSIONS,
	type Release,
	type Surroundings,
	unsupportedKernelNeeds,
} from "../../config/releases.ts";

const release = (version: string): Release => {
	const row = findRelease(version);
	assert.ok(row, version);
	return row;
};
const CENTOS: Surroundings = {
	kernel: "3.10.0-1062.el7.x86_64",
	runtime: { kind: "containerd", version: "1.6.33" },
	cni: release("1.29.15").flannel,
};
const reasonOf = (version: string, changes: Partial<Surroundings> = {}) => {
	const result = checkCombination(release(version), { ...CENTOS, ...changes });
	return result.goes ? "goes" : `${result.reason} -> ${result.nearest}`;
};

test("the table has every minor from 1.17 to 1.37, each newer than the one before", () => {
	const minors = RELEASE_VERSIONS.map((version) => release(version).minor);
	for (let minor = 17; minor <= 37; minor++) assert.ok(minors.includes(minor), `1.${minor}`);
	for (const [i, version] of RELEASE_VERSIONS.entries()) if (i > 0) assert.equal(compareVersions(version, RELEASE_VERSIONS[i - 1] ?? ""), 1, version);
});

test("each release has a kubeadm API that it knows", () => {
	for (const version of RELEASE_VERSIONS) {
		const { minor, kubeadmApi } = release(version);
		const [first, last] = { v1beta2: [15, 26], v1beta3: [22, 36], v1beta4: [31, Number.POSITIVE_INFINITY] }[kubeadmApi] as [number, number];
		assert.ok(first <= minor && minor <= last, `${version} with ${kubeadmApi}`);
	}
});

test("the default release goes with CentOS 7.7 and the last containerd of el7", () => {
	assert.deepEqual(checkCombination(release("1.29.15"), CENTOS), { goes: true });
	assert.equal(release("1.29.15").nodeIpamSleeps, true);
	assert.equal(release("1.31.14").nodeIpamSleeps, false);
});

test("the seed's era goes with Docker and the flannel of that time", () => {
	for (const version of ["1.17.17", "1.18.20"]) {
		const { flannel } = release(version);
		assert.equal(flannel.version, "0.12.0");
		assert.equal(reasonOf(version, { runtime: { kind: "docker", version: "19.03.15" }, cni: flannel }), "goes");
	}
});

test("Docker is refused after dockershim, and the last release with it is named", () => {
	const docker = { runtime: { kind: "docker" as const, version: "19.03.15" } };
	assert.equal(reasonOf("1.23.17", docker), "goes");
	assert.equal(reasonOf("1.29.15", docker), "its kubelet no longer speaks to Docker (1.23 was the last); containerd goes with it -> 1.23.17");
});

test("kernel 3.10 is refused from 1.32 on, unless the user insists", () => {
	const runtime = { kind: "containerd" as const, version: "1.7.28" };
	assert.equal(reasonOf("1.31.14", { runtime }), "goes");
	assert.equal(
		reasonOf("1.32.13", { runtime }),
		"its preflight wants kernel 4.19 or later, found 3.10.0-1062.el7.x86_64 (allowUnsupportedKernel: true goes on at your own risk) -> 1.31.14",
	);
	assert.match(reasonOf("1.35.7", { runtime }), /^its preflight wants kernel 4\.19 or later and refuses cgroup v1, .* -> 1\.31\.14$/);
	assert.equal(reasonOf("1.35.7", { runtime, allowUnsupportedKernel: true }), "goes");
	assert.equal(reasonOf("1.35.7", { runtime, kernel: "6.1.0" }), "goes");
	assert.match(reasonOf("1.29.15", { kernel: "2.6.32" }), /needs kernel 3\.10 or later, found 2\.6\.32 -> undefined$/);
});

test("containerd is judged by series: older than the series' bound, between series, newer than all", () => {
	const containerd = (version: string) => ({ runtime: { kind: "containerd" as const, version } });
	assert.equal(reasonOf("1.29.15", containerd("1.6.26")), "it needs containerd 1.6.27 or later, 1.7.11 or later, found 1.6.26 -> 1.28.15");
	assert.match(reasonOf("1.29.15", containerd("1.7.10")), /found 1\.7\.10 -> 1\.28\.15$/);
	assert.equal(reasonOf("1.29.15", containerd("2.0.0")), "goes");
	assert.match(
		reasonOf("1.35.7", { ...containerd("2.0.0"), kernel: "6.1" }),
		/^it needs containerd 1\.7\.28 or later, 2\.1\.5 or later, found 2\.0\.0 -> 1\.34\.10$/,
	);
	assert.match(reasonOf("1.22.17", containerd("2.0.0")), /^it needs containerd 1\.5\.0 or later, before 2\.0\.0, found 2\.0\.0 -> 1\.23\.17$/);
});

test("a flannel without CNI plugin is refused where the package has none either", () => {
	assert.equal(
		reasonOf("1.29.15", { cni: { version: "0.12.0", cniPluginImage: "" } }),
		"flannel 0.12.0 brings no CNI plugin, and the kubernetes-cni package of 1.24 and later has none either -> 1.23.17",
	);
	assert.match(reasonOf("1.29.15", { cni: { version: "0.24.3", cniPluginImage: "x" } }), /^flannel 0\.24\.3 .*#1906\) -> undefined$/);
});

test("every reason is given, and the release named as nearest goes", () => {
	const surroundings: Surroundings = { ...CENTOS, runtime: { kind: "docker", version: "19.03.15" }, cni: { version: "0.12.0", cniPluginImage: "" } };
	const result = checkCombination(release("1.37.2"), surroundings);
	assert.ok(!result.goes && result.nearest);
	assert.equal(result.reason.split("; ").length, 4); // kernel, Docker (two clauses), CNI
	assert.deepEqual(checkCombination(release(result.nearest), surroundings), { goes: true });
});

test("the nearest of any refused combination goes with it", () => {
	const version = fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 40 })).map((numbers) => numbers.join("."));
	const surroundings = fc.record({ kernel: fc.constantFrom("3.10.0-1062", "4.18.0", "4.19.0", "6.1.0"), version, allowUnsupportedKernel: fc.boolean() });
	fc.assert(
		fc.property(fc.constantFrom(...RELEASE_VERSIONS), surroundings, (name, { kernel, version: containerd, allowUnsupportedKernel }) => {
			const around: Surroundings = { kernel, allowUnsupportedKernel, runtime: { kind: "containerd", version: containerd }, cni: CENTOS.cni };
			const result = checkCombination(release(name), around);
			if (!result.goes && result.nearest !== undefined) assert.deepEqual(checkCombination(release(result.nearest), around), { goes: true });
		}),
	);
});

test("releases that refuse kernel 3.10 say what has to be overridden there, and nothing on newer kernels", () => {
	assert.deepEqual(unsupportedKernelNeeds(release("1.29.15"), "3.10.0"), { ignorePreflightErrors: [] });
	assert.deepEqual(unsupportedKernelNeeds(release("1.33.13"), "3.10.0"), { ignorePreflightErrors: ["SystemVerification"] });
	assert.deepEqual(unsupportedKernelNeeds(release("1.35.7"), "3.10.0"), { ignorePreflightErrors: ["SystemVerification"], failCgroupV1: false });
	assert.deepEqual(unsupportedKernelNeeds(release("1.35.7"), "5.14.0"), { ignorePreflightErrors: [] });
});

test("a version that is not in the table has a nearest one", () => {
	assert.equal(findRelease("1.29.5"), undefined);
	assert.equal(nearestVersion("1.29.5"), "1.29.15");
	assert.equal(nearestVersion("v1.28.7"), "1.28.15");
	assert.equal(nearestVersion("1.12.0"), "1.17.17");
	assert.equal(nearestVersion("1.99.0"), "1.37.2");
	assert.equal(nearestVersion("latest"), "1.29.15");
});

test("versions compare by number, not by letter", () => {
	assert.equal(compareVersions("1.6.33", "1.6.4"), 1);
	assert.equal(compareVersions("1.6", "1.6.0"), 0);
	assert.equal(compareVersions("3.10.0-1062.el7.x86_64", "3.10"), 0);
	assert.equal(compareVersions("4.18.0-553", "4.19"), -1);
});
