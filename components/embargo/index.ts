export { EmbargoIngest, type EmbargoIngestArgs } from "./embargoIngest";
export { environmentOf, ownSecretPath, secretsInUse, secretTable } from "./environment";
