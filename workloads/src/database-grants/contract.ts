import { z } from "zod";
import { commonEnv, type Contract, type EnvOf, flag, integer, json, seconds, text } from "../lib/contract";

/** A name as PostgreSQL keeps it without quotes; longer ones it would cut. */
export const databaseName = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,62}$/, "must be a name of PostgreSQL: at most 63 of a-z, 0-9, _ and -");

/** A name in which `*` stands for anything. */
const names = z
  .string()
  .regex(/^[a-z0-9_*-]{1,63}$/, "must be a name of a-z, 0-9, _ and -, where * stands for anything");

const roles = z.array(databaseName).min(1).describe("Roles that get them.");

const grant = <const P extends readonly [string, ...string[]]>(privileges: P) => ({
  to: roles,
  privileges: z.array(z.enum(privileges)).min(1).describe("What they may do."),
});

const tablePrivileges = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] as const;

/** Rights in the schemas of a name. */
export const schemaGrants = z.strictObject({
  names: names.describe("Schema, or a pattern of schemas. A schema without * is made where it is missing."),
  grants: z
    .array(z.strictObject(grant(["USAGE", "CREATE"])))
    .default([])
    .describe("Rights on the schema itself."),
  tables: z
    .array(z.strictObject({ names: names.describe("Tables and views; * is all."), ...grant(tablePrivileges) }))
    .default([])
    .describe("Rights on tables and views; entries add up. Those of * also go to tables that the owner makes later."),
  sequences: z
    .array(z.strictObject({ names: names.describe("Sequences; * is all."), ...grant(["SELECT", "UPDATE", "USAGE"]) }))
    .default([])
    .describe("Rights on sequences, likewise."),
});

/** Rights in one database. */
export const databaseGrants = z.strictObject({
  grants: z
    .array(z.strictObject(grant(["CONNECT", "TEMPORARY", "CREATE"])))
    .default([])
    .describe("Rights on the database itself. Nobody else may connect: PUBLIC has none."),
  schemas: z.array(schemaGrants).default([]).describe("Rights in schemas. What names none is left alone and told of."),
});

/** What roles may do in the databases of a server. */
export const desiredGrantsSchema = z
  .strictObject({
    /** Roles whose rights are exactly what is declared, but in databases of their own: what else they have is taken. */
    roles: z.array(databaseName),
    databases: z.array(z.strictObject({ name: databaseName, owner: databaseName, ...databaseGrants.shape })).min(1),
  })
  .superRefine(({ roles: managed, databases }, context) => {
    const fault = (message: string) => context.addIssue({ code: "custom", message });
    for (const [list, what] of [
      [managed, "role"],
      [databases.map(({ name }) => name), "database"],
    ] as const)
      for (const name of list.filter((one, index) => list.indexOf(one) !== index)) fault(`has ${what} ${name} twice`);
    for (const { name, owner, grants, schemas } of databases) {
      const used = [
        ...grants.flatMap(({ to }) => to),
        ...schemas.flatMap((one) => [...one.grants, ...one.tables, ...one.sequences].flatMap(({ to }) => to)),
      ];
      for (const role of new Set(used.filter((one) => !managed.includes(one))))
        fault(`gives rights in ${name} to ${role}, which is none of roles`);
      if (used.includes(owner)) fault(`gives rights in ${name} to ${owner}, which owns it and so has them all`);
    }
  });

export type DesiredGrants = z.output<typeof desiredGrantsSchema>;
export type DatabaseGrants = z.output<typeof databaseGrants>;
export type SchemaGrants = z.output<typeof schemaGrants>;

/** Makes what roles may do in the databases of a PostgreSQL server what the stack declares; drops nothing. */
export const databaseGrantsContract = {
  name: "database-grants",
  about:
    "Makes what roles may do in the databases of a server what the stack declares, as each database's owner; tells of what is there besides, and drops nothing.",
  env: z.object({
    ...commonEnv,
    DATABASE_HOST: text({ about: "Host of the PostgreSQL server; not a pooler by transaction" }),
    DATABASE_PORT: integer({ about: "Port of it", min: 1, max: 65535 }).default(5432),
    DATABASE_CA_FILE: text({ about: "File with the authority of the server's certificate; unset: no TLS" }).optional(),
    DESIRED_GRANTS: json(desiredGrantsSchema, {
      about: "Roles, databases, schemas and what each role may do there, as JSON",
    }),
    DRY_RUN: flag({ about: "Say what would be changed, and change nothing" }).default(false),
    STATEMENT_TIMEOUT: seconds({ about: "Longest time of one statement", min: 1, max: 3600 }).default(60),
  }),
  secrets: z.object({}),
  families: [{ prefix: "DATABASE_PASSWORD_", about: "Password of a database's owner", secret: true }],
  httpPort: 8000,
  longestStepSeconds: 60,
  runs: "to-completion",
} as const satisfies Contract;

export type DatabaseGrantsEnv = EnvOf<typeof databaseGrantsContract>;
