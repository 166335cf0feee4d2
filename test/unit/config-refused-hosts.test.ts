// What a stack's configuration must not say of hosts: names, addresses, roles, users, labels and taints.
import assert from "node:assert/strict";
import { test } from "node:test";
import { controlPlanes, hosts, problems, withHost } from "./settings.ts";

const wrong: [string, Record<string, unknown>, string[]][] = [
	["a missing field", withHost(1, { name: undefined }), ["hosts[1].name: not set. Add it, such as name: k8s-node01"]],
	["an unknown field with a near one", withHost(1, { adress: "x" }), ["hosts[1].adress: unknown key. Did you mean address?"]],
	[
		"an unknown field",
		withHost(1, { colour: "x" }),
		["hosts[1].colour: unknown key. Use name, address, externalAddress, role, hostKey, port, user, labels, taints."],
	],
	[
		"labels and taints that are none",
		withHost(1, { labels: { "a b": "x", disk: "s/sd" }, taints: ["dedicated=gpu", "a:NoSchedul"] }),
		[
			'hosts[1].labels["a b"]: "a b" is not a label\'s key, or is Kubernetes\' own. Use one such as disk or example.com/disk.',
			'hosts[1].labels.disk: "s/sd" is not a label\'s value. Use up to 63 letters, digits, dashes, dots and underscores.',
			'hosts[1].taints[0]: "dedicated=gpu" is not a taint, or is Kubernetes\' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.',
			'hosts[1].taints[1]: "a:NoSchedul" is not a taint, or is Kubernetes\' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.',
		],
	],
	[
		"a label and a taint of Kubernetes' own",
		withHost(1, { labels: { "kubernetes.io/hostname": "x" }, taints: ["node.kubernetes.io/unschedulable:NoSchedule"] }),
		[
			'hosts[1].labels["kubernetes.io/hostname"]: "kubernetes.io/hostname" is not a label\'s key, or is Kubernetes\' own. Use one such as disk or example.com/disk.',
			'hosts[1].taints[0]: "node.kubernetes.io/unschedulable:NoSchedule" is not a taint, or is Kubernetes\' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.',
		],
	],
	["a wrong type inside an object", withHost(1, { port: "ssh" }), ['hosts[1].port: found "ssh", expected type integer. Write a value of that type.']],
	["a host that is no object", { hosts: [...hosts(), "k8s-node03"] }, ['hosts[3]: found "k8s-node03", expected type object. Write a value of that type.']],
	[
		"a name that is no DNS label",
		withHost(1, { name: "K8s_Node01" }),
		['hosts[1].name: "K8s_Node01" is not a DNS label. Use up to 63 lower-case letters, digits and dashes, such as k8s-node01.'],
	],
	["a name twice", withHost(2, { name: "k8s-node01" }), ['hosts[2].name: "k8s-node01" is also hosts[1].name. Give each host its own name.']],
	[
		"an address twice",
		withHost(2, { address: "172.16.1.111" }),
		['hosts[2].address: "172.16.1.111" is also hosts[1].address. Give each network card its own address.'],
	],
	[
		"an external address twice",
		withHost(2, { externalAddress: "10.0.0.111" }),
		['hosts[2].externalAddress: "10.0.0.111" is also hosts[1].externalAddress. Give each network card its own address.'],
	],
	[
		"no control plane",
		withHost(0, { role: "worker" }),
		["hosts: found no control plane, need 1, or 3 and an apiEndpoint. Set role: control-plane on one of k8s-master, k8s-node01, k8s-node02."],
	],
	[
		"two control planes",
		withHost(1, { role: "control-plane" }),
		[
			"hosts: found 2 control planes (k8s-master, k8s-node01), need 1, 3 or 5: etcd goes on while more than half of them do, so an even one more bears no loss. Set role: worker on one of them, or add one.",
		],
	],
	[
		"three control planes without an address for all of them",
		{ hosts: controlPlanes(3), demoEnabled: false },
		[
			"apiEndpoint: not set, with 3 control planes (k8s-master, k8s-node01, k8s-node02). Name a free address of nodeNetwork under which all of them answer, such as apiEndpoint: { address: 172.16.1.100 }; or set role: worker on all but one.",
		],
	],
	["three control planes with one", { hosts: controlPlanes(3), apiEndpoint: { address: "172.16.1.100" }, demoEnabled: false }, []],
	[
		"an endpoint that is a host's own",
		{ apiEndpoint: { address: "172.16.1.110", port: 6443 } },
		[
			"apiEndpoint.port: 6443 is the API server's on a control plane. Use another, such as 8443.",
			"apiEndpoint.address: 172.16.1.110 is k8s-master's own address. Use one that no machine has: it moves between the control planes.",
		],
	],
	[
		"an endpoint in another network",
		{ apiEndpoint: { address: "192.0.2.1" } },
		["apiEndpoint.address: 192.0.2.1 is outside nodeNetwork 172.16.1.0/24. Use a free address of the network that the hosts share."],
	],
	[
		"an endpoint that is the broadcast address",
		{ apiEndpoint: { address: "172.16.1.255" } },
		["apiEndpoint.address: 172.16.1.255 is the broadcast address of nodeNetwork 172.16.1.0/24. Use a free address in between."],
	],
	[
		"an endpoint that is no address, with a field of another",
		{ apiEndpoint: { address: "api.example.com", ports: 1 } },
		[
			"apiEndpoint.ports: unknown key. Did you mean port?",
			'apiEndpoint.address: "api.example.com" is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111.',
		],
	],
	[
		"nowhere to run the demo",
		{ hosts: hosts().slice(0, 1) },
		["hosts: found no worker, but the demo Pod needs one: a control plane takes no ordinary Pods. Add a worker, or set demoEnabled: false."],
	],
	["no worker and no demo", { hosts: hosts().slice(0, 1), demoEnabled: false }, []],
];
for (const [name, changes, expected] of wrong)
	test(`${name}: ${expected.length === 0 ? "accepted" : "refused, with what to write instead"}`, () => assert.deepEqual(problems(changes), expected));

test("a name that hosts or Kubernetes have for something else is refused, and so is one that is read as an address", () => {
	for (const name of ["localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "ip6-allnodes", "localdomain", "broadcasthost", "kubernetes"])
		assert.deepEqual(problems(withHost(1, { name })), [
			`hosts[1].name: "${name}" is a name that hosts or Kubernetes have for something else. Use another, such as k8s-node01.`,
		]);
	for (const name of ["0", "123", "0123", "0x7f"])
		assert.deepEqual(problems(withHost(1, { name })), [
			`hosts[1].name: "${name}" is read as an address, not as a name. Use one with a letter, such as k8s-node01.`,
		]);
	for (const name of ["Node1", "node1.", "node.one", "-node", "node-", "n".repeat(64), "", "nöde"])
		assert.match(problems(withHost(1, { name })).join(), /is not a DNS label/);
	for (const name of ["1a", "kubernetes1", "a", "n".repeat(63), "0x7g"]) assert.deepEqual(problems(withHost(1, { name })), []);
});
test("an address that no other host can ask is refused by what it is", () => {
	const about = (address: string) => problems({ ...withHost(1, { address }), nodeNetwork: "172.16.1.0/24" })[0] ?? "";
	for (const address of ["172.16.001.111", "172.16.1", "2001:db8::1", "172.16.1.111/24", "172.16.1.111 ", "0x7f.0.0.1", "2886729839"])
		assert.match(about(address), /is not an IPv4 address/);
	assert.match(about("127.0.0.1"), /is the host itself/);
	for (const address of ["0.0.0.0", "255.255.255.255", "224.0.0.1"]) assert.match(about(address), /is no address of one host/);
	assert.match(about("169.254.1.1"), /is a link-local address/);
	assert.match(about("172.16.1.0"), /172\.16\.1\.0 is the network address of nodeNetwork 172\.16\.1\.0\/24/);
	assert.match(about("172.16.1.255"), /172\.16\.1\.255 is the broadcast address of nodeNetwork/);
	assert.match(problems(withHost(1, { externalAddress: "127.0.1.1" }))[0] ?? "", /^hosts\[1\]\.externalAddress: "127\.0\.1\.1" is the host itself/);
});
test("users are those that useradd of CentOS 7 makes", () => {
	for (const user of ["root", "bob.smith", "Bob", "_x", "1st", "a-b", ".x", "samba$", "u".repeat(32)])
		assert.deepEqual(problems(withHost(1, { user })), [], user);
	for (const user of ["", "1000", ".", "..", "-x", "bob smith", "bob@example.com", "a$b", "u".repeat(33), "bob;x", "$", "bob\nx"])
		assert.equal(problems(withHost(1, { user })).length, 1, user);
});
