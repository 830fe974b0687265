/** A right of a Kafka user. */
export interface Acl {
  readonly resource: {
    readonly type: "topic" | "group" | "cluster" | "transactionalId";
    /** Absent for the cluster. */
    readonly name?: string;
    readonly patternType?: "literal" | "prefix";
  };
  readonly operations: readonly string[];
}

/** One entry a resource, with all operations, in order; none that another one gives already. */
export function mergedAcls(acls: readonly Acl[]): Acl[] {
  const byResource = new Map<string, Acl>();
  for (const acl of acls) {
    const key = JSON.stringify(acl.resource);
    const operations = [...new Set([...(byResource.get(key)?.operations ?? []), ...acl.operations])].sort();
    byResource.set(key, { ...acl, operations });
  }
  const all = [...byResource.values()];
  return all.filter((acl) => !all.some((other) => other !== acl && covers(other, acl)));
}

/** Whether one entry gives all that another does. */
function covers(wide: Acl, narrow: Acl): boolean {
  return (
    wide.resource.patternType === "prefix" &&
    wide.resource.type === narrow.resource.type &&
    narrow.resource.name?.startsWith(wide.resource.name!) === true &&
    narrow.operations.every((operation) => wide.operations.includes(operation))
  );
}
