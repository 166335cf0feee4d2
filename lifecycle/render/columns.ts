/** Rows of cells as lines whose columns begin below each other, two spaces apart. */
export function columns(rows: string[][], indent: number): string[] {
	const widths: number[] = [];
	for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length + 2);
	return rows.map((row) =>
		`${" ".repeat(indent)}${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("")}`.trimEnd(),
	);
}
