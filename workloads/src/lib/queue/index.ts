/** The ingest queue in Redis: see ARCHITECTURE.md, "Redis: the queue of one bucket". */
export { enqueueObjects, reject, type EnqueueOptions, type QueueRecord, type RejectedNotification } from "./enqueue";
export {
  LeasedQueue,
  LeaseLostError,
  type Completed,
  type Failure,
  type FailureOutcome,
  type LeasedQueueOptions,
} from "./leasedQueue";
export { buryObjects, countDead, deadLetters, dropDead, reviveDead, type DeadLetter } from "./deadLetters";
export { FollowUps, type FollowUp } from "./followUps";
export { recoverWorker, registeredWorkers, legacyWorkers, type WorkerList } from "./recovery";
export { bucketState, bucketsInUse, type BucketState } from "./state";
export { fileLifetimeSeconds } from "./scripts";
