// A run dies in the middle of a step, and the next one goes on from there: a few cases of the fault campaign (npm run test:faults), other ones with another FAULTS_SEED.
import { describe } from "node:test";
import { sample } from "../faults/matrix.ts";
import { tryAll } from "../faults/ways.ts";

const SEED = 53;
describe("faults in the middle of a run", { concurrency: false }, () => {
	tryAll(sample(Number(process.env.FAULTS_SEED ?? SEED), 2));
});
