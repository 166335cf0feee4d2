// HTML and SVG by a tagged template: what is put in is text, and is escaped, unless it is markup itself. So no place can forget to.

/** HTML or SVG as it is. A template makes it, and `trusted`. */
class Markup {
	readonly #text: string;
	constructor(text: string) {
		this.#text = text;
	}
	toString(): string {
		return this.#text;
	}
}
export type { Markup };
/** The parts of an array follow each other. */
export type Content = string | number | Markup | readonly Content[];

/** Values may stand between tags, and in attributes in double quotes. */
export function markup(parts: TemplateStringsArray, ...values: Content[]): Markup {
	return new Markup(String.raw({ raw: parts }, ...values.map(inserted)));
}
/** One after the other, each in a line of its own or with something else between. */
export function joined(parts: readonly Content[], between = "\n"): Markup {
	return new Markup(parts.map(inserted).join(between));
}
/** Of this program's own constants only, such as its style sheet. */
export function trusted(text: string): Markup {
	return new Markup(text);
}
function inserted(value: Content): string {
	if (value instanceof Markup) return String(value);
	if (Array.isArray(value)) return value.map(inserted).join("");
	return String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
