// The SSH agent of the shell that runs Pulumi. Nothing here uses one, but Pulumi's `command` plugin does.
import { once } from "node:events";
import { connect } from "node:net";
import { ConfigError } from "./problems.ts";

const ANSWER_LIMIT_MS = 2000; // a local socket takes less than one

/**
 * Throws where SSH_AUTH_SOCK names an agent that is not there: the plugin dials it at every connection, with a private key too, and each command would
 * fail, when hosts are half changed. The program can't take the variable away: the engine starts the plugin with the environment of the shell.
 */
export async function expectLiveAgent(path = process.env.SSH_AUTH_SOCK): Promise<void> {
	if (!path) return;
	const socket = connect(path);
	try {
		await once(socket, "connect", { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
	} catch (error) {
		const { code = "no answer" } = error as NodeJS.ErrnoException;
		throw new ConfigError([
			`SSH_AUTH_SOCK: no SSH agent at ${path} (${code}); expected one that answers, or none: Pulumi's command plugin dials it even with a private key. Run: unset SSH_AUTH_SOCK`,
		]);
	} finally {
		socket.destroy();
	}
}
