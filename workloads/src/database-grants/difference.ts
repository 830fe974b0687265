import { quoted } from "../lib/postgres";
import { type Catalog, everyone, type Right, type Securable, securableKey } from "./catalog";
import type { DesiredGrants, SchemaGrants } from "./contract";

type DatabaseGrants = DesiredGrants["databases"][number];

/** A right to give or to take. */
export interface Change {
  /** For people, e.g. `hsc_prompt may SELECT table registry.visit`. */
  readonly text: string;
  readonly sql: string;
  readonly of: Securable;
}

/** What must change, and what is told of and left alone. */
export interface Difference {
  readonly changes: readonly Change[];
  readonly orphans: readonly string[];
}

/** Whether a name fits a pattern, in which `*` stands for anything. */
export function fits(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[^a-z0-9_]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

/** Schemas that are declared by their name and are not there. */
export function missingSchemas({ schemas }: DatabaseGrants, { securables }: Catalog): string[] {
  const there = new Set(securables.filter(({ kind }) => kind === "SCHEMA").map(({ name }) => name));
  return schemas.map(({ names }) => names).filter((name) => !name.includes("*") && !there.has(name));
}

/** @param managed - Roles whose rights in this database are exactly what is declared; PUBLIC is one of them by itself. */
export function differenceOf(database: DatabaseGrants, managed: readonly string[], catalog: Catalog): Difference {
  const { owner } = database;
  const ours = new Set([...managed, everyone]);
  const inScope = (of: Securable): boolean =>
    of.kind === "DATABASE" ||
    ((of.schema === null || schemasOf(database, of.schema).length > 0) &&
      (!of.kind.startsWith("DEFAULT") || of.owner === owner));
  const there = new Map<string, Map<string, Right>>();
  const orphans = new Set<string>();
  for (const right of catalog.rights) {
    const { of, role, privilege } = right;
    if (role === owner) continue;
    if (inScope(of) && ours.has(role)) {
      const key = securableKey(of);
      there.set(key, (there.get(key) ?? new Map<string, Right>()).set(`${role} ${privilege}`, right));
    } else if (!isUsual(right)) orphans.add(`${role} may ${privilege} ${described(of)}`);
  }
  const changes = withDefaults(database, catalog.securables)
    .filter(inScope)
    .flatMap((of) => changesOf(of, wantedRights(database, of, managed), there.get(securableKey(of)) ?? new Map()));
  return { changes, orphans: [...orphans] };
}

/** What PostgreSQL and the operator give by themselves. */
function isUsual({ of, role, privilege }: Right): boolean {
  if (/^(pg_|cnpg_)/.test(role)) return true;
  return of.kind === "SCHEMA" && of.name === "public" && role === everyone && privilege === "USAGE";
}

const schemasOf = ({ schemas }: DatabaseGrants, schema: string): SchemaGrants[] =>
  schemas.filter(({ names }) => fits(names, schema));

/** Later tables and sequences of each declared schema count, also where nobody has any right to them yet. */
function withDefaults(database: DatabaseGrants, securables: readonly Securable[]): Securable[] {
  const all = new Map(securables.map((one) => [securableKey(one), one]));
  for (const { name } of securables.filter(({ kind }) => kind === "SCHEMA")) {
    if (schemasOf(database, name).length === 0) continue;
    for (const kind of ["DEFAULT TABLES", "DEFAULT SEQUENCES"] as const) {
      const one = { kind, schema: name, name: "", column: null, owner: database.owner, isOurs: true };
      if (!all.has(securableKey(one))) all.set(securableKey(one), one);
    }
  }
  return [...all.values()];
}

/** `role privilege` of everything that is declared for it. */
function wantedRights(database: DatabaseGrants, of: Securable, managed: readonly string[]): Set<string> {
  const entries = of.kind === "DATABASE" ? database.grants : entriesOf(database, of);
  const pairs = entries.flatMap(({ to, privileges }) =>
    to.filter((role) => managed.includes(role)).flatMap((role) => privileges.map((one) => `${role} ${one}`)),
  );
  return new Set(pairs);
}

function entriesOf(database: DatabaseGrants, of: Securable): { to: string[]; privileges: string[] }[] {
  const schemas = of.schema === null ? [] : schemasOf(database, of.schema);
  return schemas.flatMap(({ grants, tables, sequences }): { to: string[]; privileges: string[] }[] => {
    switch (of.kind) {
      case "SCHEMA":
        return grants;
      case "TABLE":
        return tables.filter(({ names }) => fits(names, of.name));
      case "SEQUENCE":
        return sequences.filter(({ names }) => fits(names, of.name));
      case "DEFAULT TABLES":
        return tables.filter(({ names }) => names === "*");
      case "DEFAULT SEQUENCES":
        return sequences.filter(({ names }) => names === "*");
      default:
        return []; // of columns nothing is declared
    }
  });
}

function changesOf(of: Securable, wanted: ReadonlySet<string>, there: ReadonlyMap<string, Right>): Change[] {
  const give = [...wanted].filter((pair) => !there.has(pair)).map((pair) => changeOf(of, "grant", pair));
  const take = [...there].flatMap(([pair, { grantable }]) => {
    if (!wanted.has(pair)) return [changeOf(of, "revoke", pair)];
    return grantable ? [changeOf(of, "revoke grant option for", pair)] : [];
  });
  return [...give, ...take];
}

const verbs = { grant: "may", revoke: "may no longer", "revoke grant option for": "may no longer hand on" };

function changeOf(of: Securable, verb: keyof typeof verbs, pair: string): Change {
  const [role, privilege] = pair.split(" ") as [string, string];
  const what = of.column === null ? privilege : `${privilege} (${quoted(of.column)})`;
  const who = `${verb === "grant" ? "to" : "from"} ${role === everyone ? "public" : quoted(role)}`;
  return {
    text: `${role} ${verbs[verb]} ${privilege} ${described(of)}`,
    sql: statement(of, `${verb} ${what}`, who),
    of,
  };
}

function statement(of: Securable, action: string, who: string): string {
  const full = of.schema === null ? quoted(of.name) : `${quoted(of.schema)}.${quoted(of.name)}`;
  switch (of.kind) {
    case "DATABASE":
      return `${action} on database ${quoted(of.name)} ${who}`;
    case "SCHEMA":
      return `${action} on schema ${quoted(of.name)} ${who}`;
    case "SEQUENCE":
      return `${action} on sequence ${full} ${who}`;
    case "TABLE":
    case "COLUMN":
      return `${action} on table ${full} ${who}`;
    default: {
      const where = of.schema === null ? "" : ` in schema ${quoted(of.schema)}`;
      const kind = of.kind === "DEFAULT TABLES" ? "tables" : "sequences";
      return `alter default privileges for role ${quoted(of.owner)}${where} ${action} on ${kind} ${who}`;
    }
  }
}

/** A thing for people. */
export function described({ kind, schema, name, column, owner }: Securable): string {
  if (kind === "DATABASE" || kind === "SCHEMA") return `${kind.toLowerCase()} ${name}`;
  if (kind === "TABLE" || kind === "SEQUENCE") return `${kind.toLowerCase()} ${schema}.${name}`;
  if (kind === "COLUMN") return `column ${schema}.${name}.${column}`;
  return `later ${kind === "DEFAULT TABLES" ? "tables" : "sequences"} of ${owner} in ${schema ?? "every schema"}`;
}

/** Creates a schema that belongs to the database's owner. */
export const createSchema = (name: string, owner: string): string =>
  `create schema if not exists ${quoted(name)} authorization ${quoted(owner)}`;
