// Divides a Pod's history into rounds: after a reboot of its node, or where a container was started again, promises about a start hold anew.
import type { PodHistory } from "./pod-history.ts";

/** One for each new sandbox, and for each end of a main container that was started again; the whole history where there is none. */
export function roundsOf(history: PodHistory): PodHistory[] {
	const restarts = history.containers.filter(({ role }) => role === "main").flatMap(({ runs }) => runs.slice(0, -1).flatMap(({ exited }) => exited?.at ?? []));
	const sandboxes = history.sandboxes.slice(1).flatMap(({ started }) => started?.at ?? []);
	const begins = [Number.NEGATIVE_INFINITY, ...[...new Set([...restarts, ...sandboxes])].sort((a, b) => a - b)];
	return begins.map((from, index) => {
		const until = begins[index + 1] ?? Number.POSITIVE_INFINITY;
		const isIn = (at: number | undefined) => at !== undefined && at >= from && at < until;
		return {
			...history,
			entries: history.entries.filter(({ at }) => isIn(at)),
			containers: history.containers.map((container) => ({
				...container,
				runs: container.runs.filter(({ created, started, exited }) => isIn((created ?? started ?? exited)?.at)),
			})),
		};
	});
}
