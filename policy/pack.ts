// The policy pack: `pulumi preview --policy-pack policy` and `pulumi up --policy-pack policy` stop where a rule is broken.
import { PolicyPack, type ResourceValidationPolicy, type StackValidationPolicy } from "@pulumi/policy";
import { RULES, stackRules } from "./rules.ts";

/** What the demo and flannel mount. Another list: `--policy-pack-config` with `{"host-path": {"allowedHostPaths": […]}}`. */
const ALLOWED_HOST_PATHS = ["/data/volumes/", "/run/flannel", "/run/xtables.lock", "/opt/cni/bin", "/etc/cni/net.d"];

const ofResources = RULES.map(
	({ name, description, broken }): ResourceValidationPolicy => ({
		name,
		description,
		configSchema: { properties: { allowedHostPaths: { type: "array", items: { type: "string" }, default: ALLOWED_HOST_PATHS } } },
		validateResource: (args, report) => {
			const { allowedHostPaths = ALLOWED_HOST_PATHS } = args.getConfig<{ allowedHostPaths?: string[] }>();
			for (const problem of broken(args, { allowedHostPaths })) report(problem);
		},
	}),
);
const ofStacks = stackRules.map(
	({ name, description, broken }): StackValidationPolicy => ({
		name,
		description,
		validateStack: ({ resources }, report) => {
			for (const problem of broken(resources)) report(problem);
		},
	}),
);

new PolicyPack("kubeadm-lab", { enforcementLevel: "mandatory", policies: [...ofResources, ...ofStacks] });
