// What somebody may change by hand on a host with Docker: each item that step `runtime` looks at there, and certificates that end soon, in two rounds of changes.
import { type Drift, type DriftOfHost, file, item } from "../e2e/cluster/drift.ts";
import { disabled } from "../e2e/cluster/drift-of-hosts.ts";
import { ENDING_CERTIFICATES } from "../e2e/cluster/drift-of-nodes.ts";

const DAEMON = "/etc/docker/daemon.json";
const CHANGED: Drift = {
	what: "Docker's configuration",
	change: `echo '{}' >${DAEMON}`,
	step: "runtime",
	shows: [file(DAEMON)],
	wrong: `grep -q overlay2 ${DAEMON} || echo missing`,
	restarts: ["docker"],
};
const ABSENT: Drift = { ...CHANGED, what: "Docker's configuration, removed", change: `rm ${DAEMON}`, shows: [file(DAEMON, '"absent"')] };
const MODE: Drift = {
	what: "the mode of Docker's configuration",
	change: `chmod 0600 ${DAEMON}`,
	step: "runtime",
	shows: [item(`mode ${DAEMON}`, '"600"', '"644"')],
	wrong: `stat -c %a ${DAEMON} | grep -v 644`,
};
const STOPPED: Drift = {
	what: "Docker, stopped",
	change: "systemctl stop docker.socket docker",
	step: "runtime",
	shows: [item("docker running", '"inactive"', '"active"')],
	wrong: "systemctl is-active docker | grep -vx active",
	restarts: ["docker"],
};

/** OTHER: the worker without the demo's Pod, whose containers would start anew with Docker. */
export const rounds = (other: string): DriftOfHost[][] => {
	const on = (host: string, ...drifts: Drift[]): DriftOfHost[] => drifts.map((drift) => ({ ...drift, host }));
	return [
		[...on(other, CHANGED, disabled("kubelet")), ...on("k8s-master", ENDING_CERTIFICATES, disabled("docker"))],
		[...on(other, STOPPED, MODE), ...on("k8s-master", ABSENT)],
	];
};
