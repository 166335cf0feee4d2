// What of the SDK's own lines is left out.
import * as pulumi from "@pulumi/pulumi";

/**
 * From now on the SDK sends no debug lines. Those of @pulumi/pulumi 3.270.0 (runtime/resource.js) have the engine's whole answer for each resource, with the private
 * key, join tokens and the kubeconfig in the clear: `--debug`, `-v=9` and an event log would show and keep them.
 */
export function sendNoDebugLines(): void {
	(pulumi.log as { debug: typeof pulumi.log.debug }).debug = () => Promise.resolve();
}

// Once the engine has failed. By then the engine has shown the error at its resource, and no longer takes log lines: for each call
// that this cut off the SDK writes a stack trace to stderr (@pulumi/pulumi 3.270.0: log/index.js, runtime/resource.js), which buries that error.

const UNDELIVERED = /^failed to deliver log message\. \nerror: Error: Channel has been shut down \noriginal message: (.*)\n message severity: (\w+)$/s;
const CUT_OFF = /\b(14 UNAVAILABLE|1 CANCELLED): |Resource monitor is terminating/;

/** What of a text on stderr is to be printed: all of it; of a message that could not be delivered only the message; of a call that was cut off nothing. */
export function worthPrinting(text: string): string | undefined {
	const [, message = "", severity] = UNDELIVERED.exec(text) ?? [];
	if (severity === undefined) return text;
	return severity === "error" && CUT_OFF.test(message) ? undefined : message.trimEnd();
}

/** From now on `console.error` leaves these out. */
export function passOverCutOffCalls(): void {
	const { error } = console;
	console.error = (...args: unknown[]) => {
		const [first, ...rest] = args;
		if (typeof first !== "string" || rest.length > 0) return error(...args);
		const text = worthPrinting(first);
		if (text !== undefined) error(text);
	};
}
