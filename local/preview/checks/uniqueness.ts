import type { DeclaredObject, Manifest } from "../model";
import { error, titleOf, type StackFinding } from "./finding";

/** Objects, files, registrations and load-balancer addresses that are there twice. */
export function checkUniqueness(objects: readonly DeclaredObject[]): StackFinding[] {
  const repeated = [
    ...twice(
      objects,
      ({ place, kind, name }) => `${place} ${kind} ${name}`,
      "is declared twice. Rename or remove one.",
    ),
    ...twice(
      objects.filter(({ resources }) => resources.length === 1),
      ({ resources }) => resources[0]!.urn,
      "shares its logical name with another resource of its type. Rename one.",
    ),
    ...twice(
      objects,
      ({ file }) => file.toLowerCase(),
      "would be rendered to the same file as another object. Rename one.",
    ),
  ];
  // The same object twice is all three; once said is enough.
  const first = new Map(repeated.reverse().map((one) => [`${one.environment} ${one.object}`, one]));
  return [...first.values(), ...checkAddresses(objects)];
}

function twice(
  objects: readonly DeclaredObject[],
  keyOf: (object: DeclaredObject) => string,
  message: string,
): StackFinding[] {
  const seen = new Map<string, DeclaredObject>();
  return objects.flatMap((object) => {
    const key = keyOf(object);
    if (seen.has(key)) return [error(object, message)];
    seen.set(key, object);
    return [];
  });
}

/** A load balancer gives an address to one Service, unless all that ask for it agree to share. */
function checkAddresses(objects: readonly DeclaredObject[]): StackFinding[] {
  const owners = new Map<string, DeclaredObject>();
  return objects.flatMap((object) => {
    const { kind, metadata, spec } = object.content as Manifest;
    if (kind !== "Service" || spec?.type !== "LoadBalancer") return [];
    const annotation = metadata.annotations?.["metallb.io/loadBalancerIPs"] ?? spec.loadBalancerIP ?? "";
    const shared = metadata.annotations?.["metallb.io/allow-shared-ip"];
    return String(annotation)
      .split(",")
      .filter(Boolean)
      .flatMap((address) => {
        const owner = owners.get(address);
        owners.set(address, object);
        const other = (owner?.content as Manifest | undefined)?.metadata.annotations?.["metallb.io/allow-shared-ip"];
        if (!owner || (shared !== undefined && shared === other)) return [];
        return [
          error(object, `asks for load-balancer address ${address}, which ${titleOf(owner)} has. Give it another.`),
        ];
      });
  });
}
