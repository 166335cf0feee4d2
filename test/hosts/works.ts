// Whether a cluster of the lab does its work.
import assert from "node:assert/strict";
import { kubectl, workers } from "../e2e/lab.ts";

export const NGINX = "registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17";

/** Both workers start new Pods and end them. `name`: of the Deployment that is made for it. */
export async function workersRunPods(name: string): Promise<void> {
	await kubectl(`create deployment ${name} --image=${NGINX} --replicas=4`);
	await kubectl(`rollout status deployment ${name} --timeout=180s`);
	const on = await kubectl(`get pods -l app=${name} -o jsonpath='{.items[*].spec.nodeName}'`);
	for (const worker of workers) assert.ok(on.includes(worker), `${worker} starts no Pod: ${on}`);
	await kubectl(`delete deployment ${name}`);
	await kubectl(`wait pod -l app=${name} --for=delete --timeout=120s`);
}
