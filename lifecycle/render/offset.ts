/** A time since a start, both in ms, as every view of a history writes it. */
export const offset = (at: number, start: number): string => `+${((at - start) / 1000).toFixed(3)} s`.replace("+-", "−");
