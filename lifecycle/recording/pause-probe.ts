// Reads the rows that step `pause` prints: one for each thing that the containers of a Pod share or don't.
export interface PauseProbe {
	pod: string;
	what: string;
	/** In the pause container, or before. */
	pause: string;
	/** In container one, or after. */
	one: string;
	two: string;
}
/** Undefined where the line is no row. */
export function parsePauseProbe(line: string): PauseProbe | undefined {
	const [pod = "", what = "", pause = "", one = "", two, more] = line.split("\t");
	return two === undefined || more !== undefined ? undefined : { pod, what, pause, one, two };
}
