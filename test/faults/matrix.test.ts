// Every fault at every moment: a run is hit in the middle of a step, and the next one makes the cluster whole, or gives the hosts back.
// FAULTS_ROUNDS (default: all) and FAULTS_FIRST (which fault the first moment gets) choose a part, FAULTS_UNTRIED=yes those of which no result is kept;
// FAULTS_RESULTS is the file that each result is appended to.
import { describe } from "node:test";
import { FAULTS, rounds } from "./matrix.ts";
import { untried } from "./results.ts";
import { tryAll } from "./ways.ts";

const { FAULTS_ROUNDS, FAULTS_FIRST, FAULTS_UNTRIED } = process.env;
describe("faults in the middle of a run", { concurrency: false }, () => {
	const cases = rounds(Number(FAULTS_ROUNDS ?? FAULTS.length), Number(FAULTS_FIRST ?? 0));
	tryAll(FAULTS_UNTRIED === "yes" ? untried(cases) : cases);
});
