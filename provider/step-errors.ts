// How it reads that a step failed: with its host, which a resource need not have in its name, and a hook has none.
import type { Verb } from "./hosts.ts";
import { type Inputs, isHidden } from "./inputs.ts";
import type { Properties } from "./plugin/values.ts";
import { type Ended, endOf } from "./ssh/script.ts";

/** What to do where a host that is to be given back is not reached. */
const GONE =
	"Bring the host up and run it again: what is done is not done twice. To give back meanwhile what does not wait for it: pulumi destroy --continue-on-error. Where its address, port, user or key is another by now: correct the stack, then pulumi destroy --run-program. A host that will never come back: npm run forget -- STACK HOST";

/** What kept its script from running to an end. */
export const told = ({ host, step }: Inputs, error: Error, verb = ""): string => `${host} ${step}: ${verb && `${verb}: `}${error.message}`;
/** The same of an undo whose host is not reached, with what to do. */
export const notGivenBack = (step: Inputs, error: Error): string => `${told(step, error, "undo").replace(/\.$/, "")}. ${GONE}`;

const LINES = 20;
/** What a step has printed may be its secret: a kubeconfig is printed before the look that a cut connection ends. */
export function failure({ host, step }: Inputs, verb: Verb, ended: Ended, properties: Properties): string {
	const text = ended.stderr || (isHidden(properties) ? "" : ended.stdout);
	return `${host} ${step}: ${verb}: ${endOf(ended)}\n${text.trim().split("\n").slice(-LINES).join("\n")}`;
}
