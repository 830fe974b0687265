/** What `usdf efd` does; the simulator of telemetry has a door of its own. */
export { type ColumnsOptions, showColumns } from "./columns";
export { compareDatabases, type CompareOptions } from "./compare";
export type { EfdOptions } from "./connection";
export { explainValue, type ExplainOptions } from "./explain";
export { type GapsOptions, showGaps } from "./gaps";
export { showStatus } from "./status";
