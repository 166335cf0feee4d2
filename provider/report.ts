// What a preview found on the hosts, said of the stack in one place: a line for a host's facts, a line for each step.
import { type Answer, details, summary } from "./answer.ts";

const PAUSE_MS = 60; // looks that begin within this time of each other are told together, in the order of the hosts

export class Report {
	readonly #order: string[];
	readonly #say: (line: string) => void;
	readonly #flush: () => Promise<void>;
	readonly #isDetailed: boolean;
	#lines: { host: number; line: string }[] = [];
	#looking = 0;
	#waiting: (() => void)[] = [];
	#timer: NodeJS.Timeout | undefined;

	constructor(options: { hosts: string[]; isDetailed: boolean; say: (line: string) => void; flush: () => Promise<void> }) {
		this.#order = options.hosts;
		this.#isDetailed = options.isDetailed;
		this.#say = options.say;
		this.#flush = options.flush;
	}

	/** Runs one look, and returns when what it and those beside it found is told. */
	async during(look: () => Promise<void>): Promise<void> {
		this.#looking++;
		clearTimeout(this.#timer);
		try {
			await look();
		} finally {
			this.#looking--;
			const told = new Promise<void>((resolve) => this.#waiting.push(resolve));
			if (this.#looking === 0) this.#timer = setTimeout(() => this.#tell(), PAUSE_MS);
			await told;
			await this.#flush();
		}
	}

	/** `key=value` lines. */
	facts(host: string, lines: string[]): void {
		const facts = lines.map((line) => line.split("=")).filter(([, value]) => value !== undefined && value !== "");
		this.#add(host, facts.map(([key, ...value]) => `${key} ${value.join("=")}`).join(", "));
	}

	/** Without an answer nothing is told: it is a secret. */
	changes(host: string, step: string, answer: Answer | undefined): void {
		this.#add(host, `${step}: ${answer ? summary(answer) : "looked at; what was found is a secret"}`);
		if (answer && this.#isDetailed) for (const line of details(answer)) this.#add(host, `  ${step}: ${line}`);
	}

	#add(host: string, text: string): void {
		this.#lines.push({ host: this.#order.indexOf(host), line: `${host}: ${text}` });
	}

	#tell(): void {
		const lines = this.#lines.sort((one, other) => one.host - other.host).map(({ line }) => line);
		this.#lines = [];
		if (lines.length > 0) this.#say(lines.join("\n"));
		for (const wake of this.#waiting.splice(0)) wake();
	}
}
