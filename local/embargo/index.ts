/** What `usdf embargo` does. */
export type { EmbargoOptions } from "./connection";
export { handleDead, listDead, listRejected, showQueues } from "./queues";
export { reconcileBucket } from "./reconcileBucket";
