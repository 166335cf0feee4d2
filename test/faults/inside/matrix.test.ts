// Every fault at every moment: a run is hit in the middle of a step, and the next one makes the cluster whole, or gives the hosts back.
// FAULTS_ROUNDS (default: all) and FAULTS_FIRST (which fault the first moment gets) choose a part, FAULTS_UNTRIED=yes those of which no result is kept;
// FAULTS_RESULTS is the file that each result is appended to.
import { describe } from "node:test";
import { ENDPOINT, HAPROXY_USER } from "../../e2e/control-planes.ts";
import { FAULTS, MOMENTS, MORE_MOMENTS, rounds } from "../matrix.ts";
import { untried } from "../results.ts";
import { tryAll } from "../ways.ts";

const { FAULTS_ROUNDS, FAULTS_FIRST, FAULTS_UNTRIED } = process.env;
const casesOf = (moments: typeof MOMENTS) => {
	const cases = rounds(Number(FAULTS_ROUNDS ?? FAULTS.length), Number(FAULTS_FIRST ?? 0), moments);
	return FAULTS_UNTRIED === "yes" ? untried(cases) : cases;
};
describe("faults in the middle of a run", { concurrency: false }, () => tryAll(casesOf(MOMENTS)));

const more = `  kubeadm-lab:apiEndpoint: { address: ${ENDPOINT} }
  kubeadm-lab:etcdSnapshots: { every: 6h, keep: 3 }
  kubeadm-lab:renewCertificates: timer
`;
describe("faults in the middle of a run of a stack with more to it", { concurrency: false }, () =>
	tryAll(casesOf(MORE_MOMENTS), { more, stays: HAPROXY_USER }),
);
