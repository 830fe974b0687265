/** The consolidated database: tables of results, and who else gets a copy of them. */
export { columnsOfTable, migrateOutput, type OutputColumn, recordKinds, tablesOf } from "./schema";
export { Secondaries, type SecondariesOptions } from "./secondaries";
export { type Stored, storeSummary } from "./store";
