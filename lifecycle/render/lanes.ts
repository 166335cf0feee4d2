// Places labels that would overlap above each other.

/** Width of a 12 px sans-serif text, near enough to keep labels apart. */
export const textWidth = (text: string): number =>
	[...text].reduce((sum, letter) => sum + (/[ilj.,:;'|! ]/.test(letter) ? 4 : /[A-ZmwMW@]/.test(letter) ? 9 : 6.8), 0);

export class Lanes {
	readonly #ends: number[] = [];
	get count(): number {
		return this.#ends.length;
	}
	/** The lowest lane with room from `left` on; labels must come from left to right. */
	take(left: number, width: number): number {
		const free = this.#ends.findIndex((end) => end <= left);
		const lane = free < 0 ? this.#ends.length : free;
		this.#ends[lane] = left + width;
		return lane;
	}
}
