// The SSH agent of the shell that runs Pulumi: the hosts' keys are in it where the stack says so, and Pulumi's `command` plugin asks it in any case.
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import ssh2 from "ssh2";
import { ConfigError } from "./problems.ts";

const ANSWER_LIMIT_MS = 2000; // a local socket takes less than one

/**
 * Throws where SSH_AUTH_SOCK names an agent that is not there: the plugin dials it at every connection, with a private key too, and each command would
 * fail, when hosts are half changed. The program can't take the variable away: the engine starts the plugin with the environment of the shell.
 * Where the agent `isNeeded`, throws without one too, and where it has no key.
 */
export async function expectLiveAgent(isNeeded = false, path = process.env.SSH_AUTH_SOCK): Promise<void> {
	const start = 'Run: eval "$(ssh-agent)" && ssh-add';
	if (!path) {
		if (isNeeded) throw new ConfigError([`SSH_AUTH_SOCK: not set; expected the socket of an SSH agent, for sshAgent. ${start}`]);
		return;
	}
	const socket = connect(path);
	try {
		await once(socket, "connect", { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
	} catch (error) {
		const { code = "no answer" } = error as NodeJS.ErrnoException;
		const expected = isNeeded
			? `expected one that answers, for sshAgent. ${start}`
			: "expected one that answers, or none: Pulumi's command plugin dials it even with a private key. Run: unset SSH_AUTH_SOCK";
		throw new ConfigError([`SSH_AUTH_SOCK: no SSH agent at ${path} (${code}); ${expected}`]);
	} finally {
		socket.destroy();
	}
	if (isNeeded && (await keysOf(path)) === 0)
		throw new ConfigError([`SSH_AUTH_SOCK: the agent at ${path} has no key; expected one that opens the hosts. Run: ssh-add`]);
}

/** Those that SSH clients here can use; 0 where the agent does not tell. */
async function keysOf(path: string): Promise<number> {
	const agent = ssh2.createAgent(path);
	const list = promisify<unknown[]>((done) => agent.getIdentities((error, keys) => done(error ?? null, keys ?? [])));
	return list().then(
		(keys) => keys.length,
		() => 0,
	);
}
