// Looks again and again at every process of this machine, the lab's hosts among them: its command line and its environment, as root sees them.
import { readdirSync, readFileSync } from "node:fs";

const PAUSE_MS = 100; // what lives shorter may pass unseen; nothing of this program is started with a secret, whatever its time
const YOUNG_LOOKS = 5; // a process becomes another program soon or never
const SELDOM = 20;

export class Watch {
	readonly #seen = new Set<string>();
	readonly #timer: NodeJS.Timeout;
	/** Pid -> so often seen. */
	#looks = new Map<string, number>();
	#count = 0;
	constructor() {
		this.#timer = setInterval(() => this.#look(), PAUSE_MS);
	}
	#look(): void {
		this.#count++;
		const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
		this.#looks = new Map(pids.map((pid) => [pid, (this.#looks.get(pid) ?? -1) + 1]));
		for (const [pid, times] of this.#looks) {
			if (times >= YOUNG_LOOKS && times % SELDOM !== 0) continue;
			for (const what of ["cmdline", "environ"]) {
				try {
					const text = readFileSync(`/proc/${pid}/${what}`, "latin1");
					if (text !== "") this.#seen.add(`${what} ${text.replaceAll("\0", "\n")}`);
				} catch {} // gone meanwhile
			}
		}
	}
	/** Everything that was seen, and how often it looked. */
	end(): { text: string; looks: number; count: number } {
		clearInterval(this.#timer);
		return { text: [...this.#seen].join("\n"), looks: this.#count, count: this.#seen.size };
	}
}
