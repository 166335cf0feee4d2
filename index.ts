// Three CentOS 7.7 hosts become a kubeadm cluster with flannel, then run the Pod-lifecycle demo.
import * as pulumi from "@pulumi/pulumi";
import { warnOfUnreachableApi } from "./cluster/api-reach.ts";
import { Cluster } from "./cluster/cluster.ts";
import { expectLiveAgent } from "./config/agent.ts";
import { loadSettings } from "./config.ts";
import { passOverCutOffCalls, sendNoDebugLines } from "./cut-off.ts";
import { DemoKubeconfig } from "./workloads/demo-kubeconfig.ts";
import { LifecycleDemo } from "./workloads/lifecycle-demo.ts";
import { podCosts } from "./workloads/pod-costs.ts";
import { STEPS } from "./workloads/steps.ts";

Reflect.deleteProperty(Error, "prepareStackTrace"); // else the SDK looks up a source map for each resource: 0.3 s of every run, for stacks that nobody reads
passOverCutOffCalls(); // else a failed `up` buries its error under them
sendNoDebugLines(); // else they hold every secret in the clear

const settings = loadSettings(new pulumi.Config()); // throws with every problem, before any resource exists
await expectLiveAgent(settings.cluster.ssh.privateKey === undefined);
await warnOfUnreachableApi(settings.cluster);
const { image, initImage, enabled } = settings.demo;

const cluster = new Cluster(settings.stack, { ...settings.cluster, workloadImages: enabled ? [image, initImage] : [], workloadSteps: STEPS });
const demo = enabled ? new LifecycleDemo("lifecycle-demo", { cluster, ...settings.demo, podSeconds: settings.cluster.timeouts.podSeconds }) : undefined;
podCosts(`${settings.stack}-pod-costs`, cluster, settings.demo, demo);

export const kubeconfig = cluster.kubeconfig; // secret
export const demoKubeconfig = settings.demo.kubeconfig ? new DemoKubeconfig("lifecycle-demo-user", cluster).kubeconfig : "not asked for: demoKubeconfig"; // secret; may look at Pods and delete them
export const nodes = cluster.nodes;
export const pod = demo?.pod; // what `kubectl get pod -o wide` prints
export const location = demo?.location; // the node and host where the Pod landed, and the message file there
export const message = demo?.message; // what the init container and the hooks wrote to it
export const lifecycle = demo?.lifecycle ?? "not recorded: demoRecordHours"; // a summary of the Pod's history so far, timed and judged; the whole story: npm run lifecycle -- report
export const pause = demo?.pause ?? "not asked for: pauseProof"; // what the pause container holds together, where the stack asks for it
export const gallery = demo?.gallery ?? {}; // Pods that go wrong, where the stack asks for some
