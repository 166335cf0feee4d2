// APIs that a minor of Kubernetes no longer has.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apisRemovedIn } from "../../config/removed-apis.ts";

test("the APIs that a minor removes are named as kubectl names them, and most minors remove none", () => {
	assert.deepEqual(apisRemovedIn(27), ["csistoragecapacities.v1beta1.storage.k8s.io"]);
	assert.equal(apisRemovedIn(25).includes("podsecuritypolicies.v1beta1.policy"), true);
	assert.equal(apisRemovedIn(22).includes("ingresses.v1beta1.extensions"), true);
	assert.deepEqual(apisRemovedIn(30), []);
	for (let minor = 17; minor <= 37; minor++) for (const api of apisRemovedIn(minor)) assert.match(api, /^[a-z]+\.v\d(beta\d)?\.[a-z.0-9]+$/);
});
