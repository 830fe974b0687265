export { EmbargoIngest, type EmbargoIngestArgs } from "./embargoIngest";
