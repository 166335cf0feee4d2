// Turns Docker's events into entries. Each has nanoseconds, and the kubelet's labels, which say whose it is (dockershim's names: docker_container.go, Kubernetes 1.18).
import type { Draft, Owner } from "./entry.ts";
import type { Line } from "./recording.ts";

/** A line of `docker events` as the recorder has it written (workloads/steps/lib/recorder-program.sh); what an event has no word for is empty. */
interface DockerEvent {
	/** Since 1970. */
	nano: string;
	/** Such as `start`, or `exec_create: /bin/sh -c ...`. */
	action: string;
	/** The container's. */
	id: string;
	/** The Pod's. */
	uid: string;
	/** The container's in its Pod; POD is the sandbox. */
	name: string;
	execID: string;
	exitCode: string;
	/** A number. */
	signal: string;
}

export function dockerEventIn(line: Line): DockerEvent | undefined {
	const text = String(line.data);
	if (line.from !== "runtime" || !text.startsWith('{"nano":')) return undefined;
	try {
		return JSON.parse(text) as DockerEvent;
	} catch {
		return undefined; // the last line of a recording that was cut off
	}
}
/** Whose its container is. */
export function dockerOwner({ uid, name }: DockerEvent): Owner {
	return { uid, ...(name === "POD" ? {} : { container: name }) };
}

const SIGNALS: Record<string, string> = { "1": "SIGHUP", "2": "SIGINT", "3": "SIGQUIT", "10": "SIGUSR1", "12": "SIGUSR2", "15": "SIGTERM", "28": "SIGWINCH" };

/** Undefined where nothing of interest happened. */
export function dockerEntry(event: DockerEvent, { host, number }: Line): Draft | undefined {
	const owner = dockerOwner(event);
	const at = Number(event.nano.slice(0, -6)) + Number(`0.${event.nano.slice(-6)}`); // more digits than a number holds
	const base = { at, meaning: "at" as const, source: "Docker event" as const, host, line: number, ...owner, containerId: event.id };
	const isSandbox = owner.container === undefined;
	const exitCode = Number(event.exitCode);
	switch (event.action.replace(/:.*/s, "")) {
		case "create":
			return isSandbox ? undefined : { ...base, kind: "container-created", text: "container created" };
		case "start":
			return { ...base, kind: "process-started", text: "process started" };
		case "exec_create":
			return { ...base, execId: event.execID, kind: "exec-requested", text: "the kubelet runs a command in it" };
		case "exec_start":
			return { ...base, execId: event.execID, kind: "exec-started", text: "its command runs" };
		case "exec_die":
			return { ...base, execId: event.execID, exitCode, kind: "exec-exited", text: `its command ended with exit code ${exitCode}` };
		case "kill":
			if (event.signal === "9") return { ...base, kind: "kill", text: "signal: SIGKILL" };
			return { ...base, kind: "signal", text: `signal: ${SIGNALS[event.signal] ?? event.signal}` };
		case "die":
			return { ...base, exitCode, kind: "process-exited", text: `process ended with exit code ${exitCode}` };
		default:
			return undefined;
	}
}
