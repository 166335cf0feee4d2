// What step `pause` found, a row for each thing that containers of a Pod share or don't.
export interface PauseLook {
	pod: string;
	what: string;
	/** In the pause container, or before. */
	pause: string;
	/** In container one, or after. */
	one: string;
	two: string;
}
/** Undefined where the line is no row. */
export function pauseLook(line: string): PauseLook | undefined {
	const [pod = "", what = "", pause = "", one = "", two, more] = line.split("\t");
	return two === undefined || more !== undefined ? undefined : { pod, what, pause, one, two };
}
