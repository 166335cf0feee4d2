// Makes lifecycle-demo-pod anew, again and again: each time its hooks run as they do on the seed's page, and the recorders write it down.
import { run } from "../run.ts";
import { FetchError } from "./fetch.ts";

const POD = "::lifecycle-demo-pod";
const BOUND_SECONDS = 900; // one round is a pulumi up with podTimeoutSeconds (300 s by default) for the Pod's end and for its start

/** @throws FetchError where the stack has no such Pod, and where a round fails: with pulumi's last lines. */
export async function repeat(stack: string, times: number): Promise<void> {
	const listed = await run("pulumi", ["stack", "--show-urns", "-s", stack, "--non-interactive", "--color", "never"]);
	const urn = listed.stdout.match(new RegExp(`urn:pulumi:\\S+${POD}$`, "m"))?.[0];
	if (urn === undefined) throw new FetchError(`stack ${stack} has no lifecycle-demo-pod. First: pulumi up -s ${stack}. ${listed.stderr.trim()}`.trim());
	const quiet = ["--yes", "--skip-preview", "--non-interactive", "--color", "never", "--suppress-outputs"];
	for (let round = 1; round <= times; round++) {
		const begin = Date.now();
		const { code, stdout, stderr } = await run("pulumi", ["up", "-s", stack, "--replace", urn, ...quiet], { timeoutSeconds: BOUND_SECONDS });
		if (code !== 0)
			throw new FetchError(`round ${round} of ${times}: pulumi up ended with ${code}:\n${`${stdout}\n${stderr}`.trim().split("\n").slice(-15).join("\n")}`);
		console.error(`round ${round} of ${times}: ${Math.round((Date.now() - begin) / 1000)} s`);
	}
}
