/** What is summarised: the columns of an instrument, from a flat YAML file or built in. */
export { felisOf } from "./felis";
export { builtinColumns, loadColumns } from "./load";
export { faultText } from "./model";
export type { Column, ColumnEntry, ColumnFile, Columns, Fault, SummaryFunction } from "./model";
export { columnsOf, ColumnsError, parseColumns, readColumns } from "./read";
export { flatYaml } from "./write";
