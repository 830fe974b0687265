import { z } from "zod";

/** Building blocks of the configuration schemas. The description of a field is what an editor shows for it. */

/** A name that Kubernetes takes for an object. */
export const objectName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "must be a DNS label: at most 63 of a-z, 0-9 and -, no - at the ends");

/** An amount of CPU or memory as Kubernetes writes it. */
const quantity = z.string().regex(/^\d+(\.\d+)?(m|Ki|Mi|Gi|Ti)?$/, 'must be a quantity such as "500m" or "2Gi"');

/** An IPv4 address. */
export const address = z.ipv4("must be an IPv4 address");

/** Five fields of a cron schedule. */
export const schedule = z
  .string()
  .regex(/^(\S+ ){4}\S+$/, 'must have the five fields of a cron schedule, e.g. "17 * * * *"');

/** An image tag. YAML takes 1.0 for a number, so it must be quoted. */
export const imageTag = z
  .string('must be text: quote a tag such as "1.0"')
  .regex(/^[\w][\w.-]{0,127}$/, "must be an image tag");

/** Requests and limits of a container with their defaults, each of which may be set by itself. */
export function resources(defaults: {
  requests: { cpu: string; memory: string };
  limits: { cpu: string; memory: string };
}) {
  return {
    requests: z
      .strictObject({
        cpu: quantity.default(defaults.requests.cpu).describe("CPU that the scheduler keeps for a pod."),
        memory: quantity.default(defaults.requests.memory).describe("Memory that the scheduler keeps for a pod."),
      })
      .prefault({})
      .describe("What the scheduler keeps for a pod."),
    limits: z
      .strictObject({
        cpu: quantity.default(defaults.limits.cpu).describe("CPU that a pod may use at most."),
        memory: quantity.default(defaults.limits.memory).describe("Memory that a pod may use at most."),
      })
      .prefault({})
      .describe("What a pod may use at most."),
  };
}

/** Requests and limits of which each is left to a default elsewhere. */
export function partialResources() {
  const amounts = z.strictObject({
    cpu: quantity.optional().describe("CPU."),
    memory: quantity.optional().describe("Memory."),
  });
  return {
    requests: amounts.optional().describe("What the scheduler keeps for a pod."),
    limits: amounts.optional().describe("What a pod may use at most."),
  };
}

/** A secret in Vault: path with its mount, as `vault kv get` takes it. */
export const vaultPath = z
  .string()
  .regex(/^[\w-]+(\/[\w.-]+)+$/, 'must be a Vault path with its mount, e.g. "secret/rubin/usdf-embargo-dmz/summit"');

/** A volume that is claimed and mounted. */
export const volume = z.strictObject({
  mountPath: z.string().startsWith("/", "must be an absolute path").describe("Where the container sees it."),
  storageClass: z.string().describe("Storage class of the claim."),
  size: z.string().default("1Gi").describe("Size asked for."),
  accessMode: z.enum(["ReadWriteMany", "ReadWriteOnce"]).default("ReadWriteMany").describe("Who may mount it."),
});
