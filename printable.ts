// Others' text (a host's, a Pod's, a file's) as a terminal may be given it: nothing in it moves the cursor, changes a title, hides or reorders what is read.

// Control characters but a tab and a line's end; and those that turn the direction of text, by which what is read is another thing than what is there.
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
const ACTS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The same text with such characters written out, as `\u001b`. */
export function printable(text: string): string {
	return text.replaceAll(ACTS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
