/** Telemetry over the spans of records, as one value a column. */
export { explainColumn, type Explanation } from "./explain";
export { groupsOf, type Group, type LegacySwitches } from "./groups";
export { summarise, type SummariseOptions } from "./summarise";
