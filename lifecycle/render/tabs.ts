// Lines up text with tabs as Go's text/tabwriter does it for kubectl: two spaces between columns, each column as wide as the lines beside each other need.
const PADDING = 2;

export function tabbed(text: string): string {
	const lines = text.split("\n").map((line) => line.split("\t"));
	const widths = lines.map((cells) => new Array<number>(cells.length - 1).fill(0));
	// A column is a run of lines that all have that cell with a tab after it.
	for (const [start, cells] of lines.entries()) {
		for (let column = 0; column < cells.length - 1; column++) {
			if ((widths[start - 1]?.length ?? 0) > column) continue; // begun above
			let [end, width] = [start, 0];
			for (; (widths[end]?.length ?? 0) > column; end++) width = Math.max(width, lines[end]?.[column]?.length ?? 0);
			for (let line = start; line < end; line++) (widths[line] as number[])[column] = width + PADDING;
		}
	}
	return lines.map((cells, line) => cells.map((cell, column) => cell.padEnd(widths[line]?.[column] ?? 0)).join("")).join("\n");
}
