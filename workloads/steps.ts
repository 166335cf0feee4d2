// Where the workloads' own steps are, for the cluster whose hosts keep them.
export const STEPS = new URL("./steps/", import.meta.url);
