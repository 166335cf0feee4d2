// The changes of drift-of-hosts.ts and drift-of-nodes.ts in as few runs as can tell them apart.
import type { Drift, DriftOfHost } from "./drift.ts";
import { HOST_DRIFTS } from "./drift-of-hosts.ts";
import { NODE_DRIFTS } from "./drift-of-nodes.ts";

/**
 * Rounds of changes, at most one to each step of a host: all of a round is looked at and repaired by the same runs.
 * A host's changes of a round all restart something, or none does: so a restart that is not wanted is seen.
 */
export function rounds(hosts: string[]): DriftOfHost[][] {
	const taken: DriftOfHost[][] = [];
	for (const drift of [...HOST_DRIFTS, ...NODE_DRIFTS].toSorted((one, other) => Number(other.host !== undefined) - Number(one.host !== undefined))) {
		const goWith = (other: Drift) => other.step !== drift.step && (other.restarts === undefined) === (drift.restarts === undefined);
		const free = (round: Drift[]) =>
			(drift.host === undefined ? hosts : [drift.host]).find((host) => round.every((other) => other.host !== host || goWith(other)));
		const round = taken.find((candidate) => free(candidate) !== undefined) ?? [];
		if (round.length === 0) taken.push(round);
		round.push({ ...drift, host: free(round) ?? "" });
	}
	return taken;
}
