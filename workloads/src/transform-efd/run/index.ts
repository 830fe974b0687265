/** Runs: the three modes over the queue, the records, the summary and the store. */
export { columnsLeftOut } from "./metrics";
export { run, RunFailedError, type RunParts, type RunReport } from "./run";
export { type TaskEnd, Worker, type WorkerParts } from "./worker";
