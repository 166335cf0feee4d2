// Prints the text of a sample step: node test/scripts/print.ts STEP HOST [TOKEN CA-HASH] | ssh HOST bash -s -- check
import { SAMPLE_HOSTS, sampleSteps } from "./verbs.ts";

const [step, name, token, caHash] = process.argv.slice(2);
const host = SAMPLE_HOSTS.find((candidate) => candidate.name === name);
if (!host) throw new Error(`no host ${name}; there are: ${SAMPLE_HOSTS.map((candidate) => candidate.name).join(", ")}`);
const sample = sampleSteps(host, token && caHash ? { token, caHash } : undefined).find((candidate) => candidate.step === step);
if (!sample) throw new Error(`no step ${step} on ${name}`);
process.stdout.write(sample.text);
