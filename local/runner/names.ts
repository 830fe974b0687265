import type { Service } from "./manifest";

/** Address of every name that cluster DNS, or `usdf.local`, would resolve. */
export type Hosts = ReadonlyMap<string, string>;

/** All the names of the Services as a pod of a namespace may write them. */
export function hostsFor(
  namespace: string,
  services: readonly Service[],
  serviceAddress: (service: Service) => string,
  backing: Readonly<Record<string, string>>,
): Hosts {
  const hosts = new Map<string, string>(Object.entries(backing));
  for (const service of services) {
    const { name, namespace: home } = service.metadata;
    const address = serviceAddress(service);
    for (const suffix of [`.${home}`, `.${home}.svc`, `.${home}.svc.cluster.local`]) hosts.set(name + suffix, address);
    if (home === namespace) hosts.set(name, address);
  }
  return hosts;
}

/**
 * Puts addresses for names in a value: the value is a name, `name:port`, a list of these, or a URL. A name elsewhere
 * (in a path, in a sentence) is left alone. A host may be known with a port, which then stands for both.
 */
export function resolveNames(value: string, hosts: Hosts): string {
  // Not a user and password before an @: they begin like a host and port, too.
  const place = /(^|,|:\/\/|@)([A-Za-z0-9][A-Za-z0-9.-]*)(?!:[^@/,]*@)(:\d+)?(?=$|[,/?#])/g;
  return value.replace(place, (whole, before: string, name: string, port = "") => {
    const both = hosts.get(name + port);
    if (both !== undefined) return before + both;
    const address = hosts.get(name);
    return address === undefined ? whole : before + address + port;
  });
}
