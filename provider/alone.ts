// What a host must have alone, such as the address of a network card: each look sees one host, and here all of them come together.

/** A line of a step that only looks: `alone`, what, its value, `refused` or `noted`, what to do, with tabs between. */
interface Line {
	what: string;
	value: string;
	isRefused: boolean;
	advice: string;
}
function linesIn(printed: string): Line[] {
	return printed.split("\n").flatMap((line) => {
		const [word, what = "", value = "", kind, advice = ""] = line.split("\t");
		return word === "alone" && value !== "" ? [{ what, value, isRefused: kind === "refused", advice }] : [];
	});
}
/** What is left for people. */
export const withoutAlone = (printed: string): string =>
	printed
		.split("\n")
		.filter((line) => !line.startsWith("alone\t"))
		.join("\n");

export class Alone {
	readonly #known = new Map<string, Line[]>();

	/** Keeps what a host printed, now or when it was looked at last. */
	keep(host: string, printed: string): void {
		this.#known.set(host, linesIn(printed));
	}

	/** What other hosts have too, as far as they were looked at: a sentence each. */
	compare(host: string, printed: string): { refused: string[]; noted: string[] } {
		const said = { refused: [] as string[], noted: [] as string[] };
		for (const { what, value, isRefused, advice } of linesIn(printed)) {
			const others = [...this.#known].flatMap(([other, lines]) =>
				other === host ? [] : lines.filter((line) => line.what === what && line.value === value).map((line) => ({ other, isRefused: line.isRefused })),
			);
			if (others.length === 0) continue;
			const names = others.map(({ other }) => other).join(", ");
			// One of both is enough, whichever is looked at first.
			said[isRefused || others.some((other) => other.isRefused) ? "refused" : "noted"].push(
				`${host}: ${what}: found ${value}, which ${names} has too; expected one of its own. To go on: ${advice}.`,
			);
		}
		this.keep(host, printed);
		return said;
	}
}
