// Colours of the drawing and the page, for light and dark. Blue and orange tell hooks apart for all eyes; signals are red and have shapes of their own.
const LIGHT = {
	paper: "#ffffff",
	ink: "#1a1d21",
	soft: "#5b6470",
	line: "#d9dee4",
	band: "#f4f6f8",
	cut: "#e9edf1",
	pending: "#c9d0d8",
	running: "#9dbfe3",
	ready: "#5b9bd5",
	ending: "#e8b877",
	created: "#c9d0d8",
	init: "#8f7cc3",
	main: "#4a86c5",
	pause: "#aab4bf",
	command: "#5f6974",
	postStart: "#0a7570",
	preStop: "#b04c05",
	signal: "#c0232c",
	file: "#6b4fa0",
	good: "#177435",
	bad: "#c0232c",
	open: "#8a5a00",
	none: "#5b6470",
	onBar: "#10151a",
};
const DARK: typeof LIGHT = {
	paper: "#14171b",
	ink: "#e6e9ed",
	soft: "#9aa4b0",
	line: "#333a43",
	band: "#1b2026",
	cut: "#262d35",
	pending: "#4a535e",
	running: "#2f5d8a",
	ready: "#3672ad",
	ending: "#966522",
	created: "#4a535e",
	init: "#7862b2",
	main: "#3972b0",
	pause: "#5d6873",
	command: "#8b96a2",
	postStart: "#2bb3ab",
	preStop: "#f08a3c",
	signal: "#ff6b6b",
	file: "#b79bf0",
	good: "#4cc26a",
	bad: "#ff6b6b",
	open: "#e3b341",
	none: "#9aa4b0",
	onBar: "#f2f5f8",
};
const variables = (colours: typeof LIGHT): string =>
	Object.entries(colours)
		.map(([name, value]) => `--${name}:${value}`)
		.join(";");

/** The variables, under a selector: `:root` of a page, `svg` of a drawing that stands alone. */
export function theme(selector: string): string {
	return `${selector}{${variables(LIGHT)}}@media screen and (prefers-color-scheme:dark){${selector}{${variables(DARK)}}}`;
}
/** What a drawing needs; the same in a page and alone. */
export const DRAWING = [
	".life text{font:12px system-ui,sans-serif;fill:var(--ink)}",
	".life .soft{fill:var(--soft);font-size:11px}.life .name{font-weight:600}",
	".life .band{fill:var(--band)}.life .grid{stroke:var(--line)}.life .cut{fill:var(--cut)}.life .zig{fill:none;stroke:var(--soft)}",
	".life .lead{stroke:var(--soft);stroke-width:.75}",
	...["pending", "running", "ready", "ending", "created", "init", "main", "pause", "postStart", "preStop", "command"].map(
		(kind) => `.life .${kind}{fill:var(--${kind})}`,
	),
	".life text.bar{fill:var(--onBar);font-size:11px}",
	".life text.postStart,.life text.preStop,.life text.command{font-weight:600}",
	".life .open{stroke-dasharray:3 2;stroke:var(--soft)}",
	".life .m-term,.life .m-kill,.life .m-failed{fill:var(--signal);stroke:var(--signal)}.life text.m-term,.life text.m-kill,.life text.m-failed{stroke:none;font-weight:600}",
	".life .m-ready{fill:var(--good);stroke:var(--good)}.life .m-delete,.life .m-gone{fill:var(--preStop);stroke:var(--preStop)}",
	".life .m-exit{fill:var(--soft);stroke:var(--soft)}.life .m-line{fill:var(--file);stroke:var(--file)}.life text[class^=m-]{stroke:none}",
	".life .by{fill:var(--paper);stroke-width:1.5}",
	".life a:hover rect,.life a:focus rect,.life a:hover path,.life a:focus path,.life :target{outline:2px solid var(--ink)}",
].join("");
