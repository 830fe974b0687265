import type { PoolClient } from "../lib/postgres";

/** Something that rights are of. DEFAULT: tables or sequences that `owner` makes later. */
export interface Securable {
  readonly kind: "DATABASE" | "SCHEMA" | "TABLE" | "SEQUENCE" | "COLUMN" | "DEFAULT TABLES" | "DEFAULT SEQUENCES";
  /** Absent for databases, and for defaults of all schemas. */
  readonly schema: string | null;
  readonly name: string;
  readonly column: string | null;
  readonly owner: string;
  /** Whether we have the owner's rights, and so may give them to others. */
  readonly isOurs: boolean;
}

/** One right that is there. */
export interface Right {
  readonly of: Securable;
  /** {@link everyone} for PUBLIC. */
  readonly role: string;
  readonly privilege: string;
  /** Whether the role may hand it on. */
  readonly grantable: boolean;
}

/** The role that all have. */
export const everyone = "PUBLIC";

/** What is in a database. */
export interface Catalog {
  readonly securables: readonly Securable[];
  readonly rights: readonly Right[];
}

/**
 * Everything that has rights but for what PostgreSQL and extensions bring. Where nobody has changed anything the catalog
 * holds no list, and `acldefault` says what that means.
 */
const securables = `
  select 'DATABASE' as kind, null::name as schema, datname as name, null::name as col, datdba as owner,
         coalesce(datacl, acldefault('d', datdba)) as acl
    from pg_database where datname = current_database()
  union all
  select 'SCHEMA', nspname, nspname, null, nspowner, coalesce(nspacl, acldefault('n', nspowner))
    from pg_namespace n where nspname !~ '^pg_' and nspname <> 'information_schema'
  union all
  select case relkind when 'S' then 'SEQUENCE' else 'TABLE' end, nspname, relname, null, relowner,
         coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
    from pg_class c join pg_namespace n on n.oid = relnamespace
   where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and nspname !~ '^pg_' and nspname <> 'information_schema'
     and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
  union all
  select 'COLUMN', nspname, relname, attname, relowner, attacl
    from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
   where attacl is not null and not attisdropped and nspname !~ '^pg_' and nspname <> 'information_schema'
  union all
  select case defaclobjtype when 'S' then 'DEFAULT SEQUENCES' else 'DEFAULT TABLES' end, nspname, '', null, defaclrole,
         defaclacl
    from pg_default_acl left join pg_namespace n on n.oid = defaclnamespace where defaclobjtype in ('r', 'S')`;

const question = `
  select s.kind, s.schema, s.name, s.col as column, pg_get_userbyid(s.owner) as owner,
         pg_has_role(current_user, s.owner, 'USAGE') as "isOurs",
         case when a.grantee = 0 then '${everyone}' else pg_get_userbyid(a.grantee) end as role,
         a.privilege_type as privilege, a.is_grantable as grantable,
         a.grantee = s.owner or coalesce(r.rolsuper, false) as "isOwners"
    from (${securables}) s left join lateral aclexplode(s.acl) a on true left join pg_roles r on r.oid = a.grantee
   order by 1, 2 nulls first, 3, 4, 7, 8`;

type Row = Securable & {
  readonly role: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
  readonly isOwners: boolean;
};

/** Reads what is there. Rights that an owner or a superuser has anyway are left out. */
export async function readCatalog(client: PoolClient): Promise<Catalog> {
  const { rows } = await client.query<Row>(question);
  const found = new Map<string, Securable>();
  const rights: Right[] = [];
  for (const { role, privilege, grantable, isOwners, ...of } of rows) {
    const key = securableKey(of);
    const securable = found.get(key) ?? of;
    found.set(key, securable);
    if (role !== null && privilege !== null && !isOwners) rights.push({ of: securable, role, privilege, grantable });
  }
  return { securables: [...found.values()], rights };
}

/** What makes it one thing. */
export const securableKey = ({ kind, schema, name, column, owner }: Securable): string =>
  JSON.stringify([kind, schema, name, column, kind.startsWith("DEFAULT") ? owner : ""]);

/** A role as the server knows it. */
export interface Role {
  readonly name: string;
  /** Attributes that let it do more than its rights say. */
  readonly powers: readonly string[];
  /** Roles whose rights it has too. */
  readonly memberOf: readonly string[];
}

/** The roles of a list that exist. */
export async function readRoles(client: PoolClient, names: readonly string[]): Promise<Role[]> {
  const { rows } = await client.query<Role>(
    `select rolname as name,
            array_remove(array[
              case when rolsuper then 'superuser' end, case when rolcreaterole then 'createrole' end,
              case when rolcreatedb then 'createdb' end, case when rolbypassrls then 'bypassrls' end,
              case when rolreplication then 'replication' end], null) as powers,
            array(select pg_get_userbyid(roleid)::text from pg_auth_members where member = r.oid order by 1) as "memberOf"
       from pg_roles r where rolname = any($1) order by 1`,
    [names],
  );
  return rows;
}
