// So many at once, and no more. Who waits holds one of the engine's slots, and needs none to go on: those before it hold theirs already.

interface Waiting {
	name: string;
	go: () => void;
}

export class Places {
	readonly #places: number;
	/** Those that have one. Whoever was let in because nothing moved has none. */
	readonly #held = new Set<string>();
	readonly #waiting: Waiting[] = [];
	#lastMove = Date.now();
	/** Why nobody is to begin any more; empty while all goes well. */
	stopped = "";

	constructor(places: number) {
		this.#places = places;
	}

	/**
	 * Resolves when `name` has a place, or when no place was given back for `boundSeconds`: what is bounded here must not stand still because one of them hangs.
	 * Returns who had the places then; nobody where it has one.
	 */
	async take(name: string, boundSeconds: number): Promise<string[]> {
		if (this.#held.has(name)) return [];
		if (this.#held.size < this.#places) {
			this.#give(name);
			return [];
		}
		return new Promise((resolve) => {
			let timer: NodeJS.Timeout;
			const one = {
				name,
				go: () => {
					clearTimeout(timer);
					resolve([]);
				},
			};
			const look = () => {
				const left = this.#lastMove + boundSeconds * 1000 - Date.now();
				if (left > 0) {
					timer = setTimeout(look, left);
					return;
				}
				this.#waiting.splice(this.#waiting.indexOf(one), 1);
				resolve([...this.#held]);
			};
			this.#waiting.push(one);
			look();
		});
	}

	/** Gives it back; nothing where `name` has none. */
	giveBack(name: string): void {
		if (!this.#held.delete(name)) return;
		this.#lastMove = Date.now();
		const next = this.#waiting.shift();
		if (!next) return;
		this.#give(next.name);
		next.go();
	}

	#give(name: string): void {
		this.#held.add(name);
		this.#lastMove = Date.now();
	}
}
