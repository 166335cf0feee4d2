// A Pod's life in rounds: after a reboot of its node, or where a container was started again, promises about a start hold anew.
import type { PodLife } from "./pod-history.ts";

/** One for each new sandbox, and for each end of a main container that was started again; the whole life where there is none. */
export function roundsOf(life: PodLife): PodLife[] {
	const restarts = life.containers.filter(({ role }) => role === "main").flatMap(({ runs }) => runs.slice(0, -1).flatMap(({ exited }) => exited?.at ?? []));
	const sandboxes = life.sandboxes.slice(1).flatMap(({ started }) => started?.at ?? []);
	const begins = [Number.NEGATIVE_INFINITY, ...[...new Set([...restarts, ...sandboxes])].sort((a, b) => a - b)];
	return begins.map((from, index) => {
		const until = begins[index + 1] ?? Number.POSITIVE_INFINITY;
		const isIn = (at: number | undefined) => at !== undefined && at >= from && at < until;
		return {
			...life,
			entries: life.entries.filter(({ at }) => isIn(at)),
			containers: life.containers.map((container) => ({
				...container,
				runs: container.runs.filter(({ created, started, exited }) => isIn((created ?? started ?? exited)?.at)),
			})),
		};
	});
}
