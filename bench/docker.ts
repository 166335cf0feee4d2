// The machine room of May 2020: there and back with Docker beside the same by hand, on the same hosts. The lab must be down; it is down again afterwards.
// npm run bench:docker [-- ROUNDS]: this section of docs/benchmarks.md alone, default 3 rounds, about 10 minutes. `npm run bench` makes the whole page.
import { lab, measure, Notes, pulumi, spread, writeSection } from "./measure.ts";

const TITLE = "## Kubernetes 1.18 with Docker";
const KINDS = ["plain", "tuned"] as const;

export async function dockerSection(rounds: number): Promise<string> {
	const notes = new Notes("Docker, ");
	await lab("up", "--era", "2020");
	for (let round = 1; round <= rounds; round++) {
		for (const kind of KINDS) {
			await lab("reset");
			notes.note(`up by hand, ${kind}`, await measure("bash", ["bench/by-hand.sh", "up", kind]));
			notes.note(`down by hand, ${kind}`, await measure("bash", ["bench/by-hand.sh", "down", kind]));
		}
		await lab("reset");
		notes.note("up", await pulumi("up", "seed"));
		notes.note("no-change up", await pulumi("up", "seed"));
		notes.note("destroy", await pulumi("destroy", "seed"));
	}
	await lab("down");
	return `${TITLE}

On ${new Date().toISOString().slice(0, 10)}. The lab's era 2020, the stack \`seed\`: the same beside the same by hand (\`bench/by-hand.sh\`), ${rounds} round${rounds > 1 ? "s" : ""} interleaved. Nothing was aimed at but not to be slower.

| what | seconds |
|---|---|
${notes
	.names()
	.map((name) => `| ${name} | ${spread(notes.secondsOf(name))} |`)
	.join("\n")}

| ratio | measured |
|---|---|
| up to plain by hand | ${notes.ratio("up", "up by hand, plain")} |
| up to tuned by hand | ${notes.ratio("up", "up by hand, tuned")} |
| destroy to plain by hand | ${notes.ratio("destroy", "down by hand, plain")} |
`;
}

if (process.argv[1] === import.meta.filename) {
	const section = await dockerSection(Number(process.argv[2] ?? 3));
	writeSection(TITLE, section);
	console.log(section);
}
