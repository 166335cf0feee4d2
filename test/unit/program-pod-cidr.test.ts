// Which /24 of the cluster's Pod CIDR each Node gets.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assignNodePodCidrs } from "../../config/pod-cidr.ts";

const host = (name: string, address: string, role: "control-plane" | "worker" = "worker") => ({ name, address, role });
const SEED = [host("k8s-master", "172.16.1.110", "control-plane"), host("k8s-node01", "172.16.1.111"), host("k8s-node02", "172.16.1.112")];

test("assignNodePodCidrs gives the seed's hosts the ranges that its page shows", () => {
	assert.deepEqual(assignNodePodCidrs({ hosts: SEED, podCidr: "10.244.0.0/16" }), {
		"k8s-master": "10.244.0.0/24",
		"k8s-node01": "10.244.1.0/24",
		"k8s-node02": "10.244.2.0/24",
	});
});
test("assignNodePodCidrs moves no Node when a worker comes or goes", () => {
	const [controlPlane, , last] = SEED as [(typeof SEED)[0], (typeof SEED)[0], (typeof SEED)[0]];
	const cidrs = assignNodePodCidrs({ hosts: [controlPlane, host("k8s-node00", "172.16.1.109"), last], podCidr: "10.244.0.0/16" });
	assert.deepEqual(cidrs, { "k8s-master": "10.244.0.0/24", "k8s-node00": "10.244.255.0/24", "k8s-node02": "10.244.2.0/24" });
});
test("assignNodePodCidrs gives every host of a /24 its own range inside the Pod network", () => {
	const octets = fc.uniqueArray(fc.integer({ min: 1, max: 254 }), { minLength: 1, maxLength: 50 });
	fc.assert(
		fc.property(octets, (last) => {
			const cidrs = Object.values(
				assignNodePodCidrs({
					hosts: last.map((octet, i) => host(`n${i}`, `172.16.1.${octet}`, i === 0 ? "control-plane" : "worker")),
					podCidr: "10.244.0.0/16",
				}),
			);
			assert.equal(new Set(cidrs).size, last.length);
			for (const cidr of cidrs) assert.match(cidr, /^10\.244\.\d+\.0\/24$/);
		}),
	);
});
test("assignNodePodCidrs refuses two hosts that would share a range", () => {
	assert.throws(() => assignNodePodCidrs({ hosts: [...SEED, host("far", "172.16.2.111")], podCidr: "10.244.0.0/16" }), {
		message: "podCidr: 10.244.0.0/16 gives k8s-node01 and far the same /24 (by their addresses). Use a wider range, or podCidrs: controller-manager.",
	});
});
test("assignNodePodCidrs refuses a Pod network without room", () => {
	assert.throws(() => assignNodePodCidrs({ hosts: SEED, podCidr: "10.244.0.0/25" }), {
		message: "podCidr: 10.244.0.0/25 has no room for a /24 per host. Use a wider range, such as 10.244.0.0/16.",
	});
});
