/** The task table: who works on which window of time. */
export { grants, migrateQueue, queueNames, queueSchema } from "./schema";
export {
  LeaseLostError,
  retryRule,
  sqlTime,
  type Task,
  TaskQueue,
  type TaskQueueOptions,
  type TaskResult,
} from "./taskQueue";
export { createBackfill, createDue, type Range, requeue, windowOf, type WindowOptions } from "./windows";
