/** A system of a stack's configuration, key `usdf:<system>`. */
export type System = "embargo" | "efd" | "sasquatch" | "prompt";

interface Receiver {
  environment?: string;
  prompt?: string;
}
interface Ceph {
  endpoints?: Record<string, { topics?: Record<string, { to?: Receiver }> }>;
}

/** A copy of a stack's configuration without some systems, and without what names them elsewhere. */
export function without<Config extends object>(config: Config, ...systems: System[]): Config {
  const copy = structuredClone(config) as Config & Record<string, unknown>;
  for (const system of systems) delete copy[`usdf:${system}`];
  if (systems.includes("prompt")) {
    const { endpoints = {} } = (copy["usdf:ceph"] ?? {}) as Ceph;
    for (const { topics = {} } of Object.values(endpoints))
      for (const { to } of Object.values(topics)) delete to?.prompt;
  }
  return copy;
}
