/** What kubectl describe prints of a Pod, without how long ago each event was: that depends on when somebody asked. How often it came stays. */
export function withoutAges(text: string): string {
	const [head = "", events = ""] = text.trimEnd().split(/^Events:/m);
	const rows = events.split("\n").map((line) => {
		const cells = line.trim().split(/ {2,}/);
		if (cells.length >= 5) cells[2] = cells[2]?.match(/\(x\d+/)?.[0] ?? "age";
		return cells.filter((cell) => !/^-+$/.test(cell)).join(" | ");
	});
	return `${head}Events:${rows.join("\n")}`;
}
