// The admin's kubeconfig: read from the control plane, renewed there before it ends, and read again.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const CONF = "/etc/kubernetes/admin.conf";
/** admin.conf with a certificate that is good for so many days. */
function conf(days: number): string {
	const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x", "-days", `${days}`];
	const certificate = execFileSync("openssl", made, { stdio: ["ignore", "pipe", "ignore"] });
	return `users:\n- user:\n    client-certificate-data: ${certificate.toString("base64")}\n`;
}
const [good, newer, soon] = [conf(365), conf(364), conf(5)];
const known = (text: string) => createHash("sha256").update(text.replace(/\n$/, "")).digest("hex");
/** A check as the provider sends it: with the hash of what was printed last. */
const check = (host: FakeHost, printed: string) =>
	host.bash(`readonly PRINTED_SHA256='${known(printed)}'\n${host.text("kubeconfig", {}, "k8s-master")}`, "check");
function controlPlane(t: TestContext, text: string): FakeHost {
	const host = new FakeHost(t);
	host.write(CONF, text);
	host.write("/renewed", newer);
	host.command("kubeadm", `cp "\${KUBEADM_LAB_ROOT}/renewed" "\${KUBEADM_LAB_ROOT}${CONF}"`);
	return host;
}

test("kubeconfig prints admin.conf and calls nothing else; a check that knows what was printed finds no difference", (t) => {
	const host = controlPlane(t, good);
	assert.equal(host.run("kubeconfig", "apply", {}, "k8s-master").stdout, good);
	assert.deepEqual(host.calls(), []);
	assert.deepEqual([check(host, good).status, host.run("kubeconfig", "check", {}, "k8s-master").status], [0, 0]);
});
test("one that the host renewed is a difference until it is read", (t) => {
	const host = controlPlane(t, good);
	host.write(CONF, newer);
	assert.equal(check(host, good).stdout, "kubeconfig in the state\tas on the host\tan older one\n");
	assert.equal(check(host, newer).status, 0);
});
test("one that ends soon is renewed before it is read", (t) => {
	const host = controlPlane(t, soon);
	assert.match(check(host, soon).stdout, /^certificate \/etc\/kubernetes\/admin\.conf\tgood for 30 days\tuntil .* GMT\n$/);
	assert.equal(host.run("kubeconfig", "apply", {}, "k8s-master").stdout, newer);
	assert.deepEqual(host.calls(), ["kubeadm certs renew admin.conf"]);
});
test("a host that is no control plane any more is the kubelet step's to tell; reading there fails", (t) => {
	const host = new FakeHost(t);
	assert.equal(check(host, good).status, 0);
	host.write("/var/lib/kubeadm-lab/cluster/id", "lab-172.16.1.110");
	assert.equal(check(host, good).stdout, `file ${CONF}\tpresent\tabsent\n`);
	assert.match(host.run("kubeconfig", "apply", {}, "k8s-master").stderr, /no \/etc\/kubernetes\/admin\.conf: this is not a control plane/);
});
