// Texts that Go's library makes in the official plugin, where somebody reads them or a test compares them.
import { constants } from "node:os";

const SHORT: Record<string, string> = {
	"\u0007": "\\a",
	"\b": "\\b",
	"\f": "\\f",
	"\n": "\\n",
	"\r": "\\r",
	"\t": "\\t",
	"\v": "\\v",
	"\\": "\\\\",
	'"': '\\"',
};

/** `strconv.Quote`, the %q of Go. */
export function quote(text: string): string {
	const escaped = text.replace(/["\\]|[^\P{C}]|[^\P{Z} ]/gu, (character) => SHORT[character] ?? escapeCodePoint(character.codePointAt(0) ?? 0));
	return `"${escaped}"`;
}

function escapeCodePoint(code: number): string {
	if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
	return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

export interface Exit {
	/** Exit status; null after a signal; undefined where the host told nothing, as when the connection breaks. */
	code: number | null | undefined;
	/** Signal such as SIGTERM. */
	signal?: string;
	message?: string;
}

/** The error of `ssh.Session.Run` (golang.org/x/crypto v0.58.0, ssh/session.go), or undefined after exit status 0. */
export function exitError({ code, signal, message }: Exit): string | undefined {
	if (code === 0) return undefined;
	if (typeof code === "number") return `Process exited with status ${code}`;
	if (!signal) return "wait: remote command exited without exit status or exit signal";
	const status = 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
	const reason = message ? `. Reason was: ${message}` : "";
	return `Process exited with status ${status} from signal ${signal.replace(/^SIG/, "")}${reason}`;
}
