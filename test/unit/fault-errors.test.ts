// What of a run's output is an error of its own (test/faults/run.ts). The output is one of pulumi v3.274.1's, with less of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorsIn } from "../faults/run.ts";

const OUTPUT = ` +  command:remote:Command lab-k8s-node02-images creating (2s) k8s-node02 images: pulling 2 images
 +  command:remote:Command lab-k8s-master-images **creating failed** error: Process exited with status 1: running "apply":
 +  command:remote:Command lab-k8s-node02-images created (4s) k8s-node02 images: pulling 2 images
 +  pulumi:pulumi:Stack contract-test **creating failed (9s)** 1 error; 1 warning
Diagnostics:
  command:remote:Command (lab-k8s-node01-images):
    error: Process exited with status 137 from signal KILL: running "apply":
    k8s-node01 images: pulling 2 images

  host:index:Step (lab-k8s-node02-identity):
    warning: k8s-node02 was not looked at: error: none

  pulumi:pulumi:Stack (contract-test):
    warning: using pulumi-language-nodejs from $PATH at /tmp/bin/pulumi-language-nodejs
    error: update failed

  command:remote:Command (lab-k8s-master-images):
    error: Process exited with status 1: running "apply":
    k8s-master images: error: no such image

Resources:
    + 2 created
    3 errored

Duration: 12s
`;

test("errors are those of the resources that failed, and neither progress nor a warning is one", () => {
	assert.deepEqual(errorsIn(OUTPUT), [
		{
			resource: "lab-k8s-node01-images",
			text: 'error: Process exited with status 137 from signal KILL: running "apply":\n    k8s-node01 images: pulling 2 images',
		},
		{ resource: "contract-test", text: "error: update failed" },
		{ resource: "lab-k8s-master-images", text: 'error: Process exited with status 1: running "apply":\n    k8s-master images: error: no such image' },
	]);
	assert.deepEqual(errorsIn(OUTPUT.slice(0, OUTPUT.indexOf("Diagnostics:"))), [], "a run that was killed");
});
