import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { AuthBackendRole } from "@pulumi/vault/kubernetes";
import { Policy } from "@pulumi/vault/policy";
import { Provider } from "@pulumi/vault/provider";
import type { PlatformConfig } from "../config";
import { customResource } from "./custom";

/** Vault as a stack is told of it. */
export type VaultConfig = NonNullable<PlatformConfig["vault"]>;

/**
 * Provider of the stack's Vault. The token is never configuration: it comes from VAULT_TOKEN (or `vault login`) of whoever
 * runs the program, and is used as it is, since a token that may make child tokens could do more than it needs to.
 */
export function vaultProvider({ address }: VaultConfig): Provider {
  return new Provider("vault", { address, skipChildToken: true });
}

/** Name of the ServiceAccount and of the SecretStore that log in to Vault, in each namespace. */
export const readerName = "vault-reader";

/** A login to Vault lasts so long; External Secrets logs in anew for each refresh. */
const tokenTtlSeconds = 600;

/** Arguments of {@link VaultReader}. */
export interface VaultReaderArgs {
  /** Namespace whose secrets are read for it. */
  readonly namespace: pulumi.Input<string>;
  /** System and environment, for the name of policy and role. */
  readonly system: string;
  readonly environment: string;
  /** Cluster of the namespace: tells where it logs in. */
  readonly kubeContext: string;
  /** Secrets that may be read, as paths with mount; repeats count once. */
  readonly paths: readonly string[];
  readonly vault: VaultConfig;
  /** Who logs in. */
  readonly kind: "externalSecret" | "vaultSecret";
}

/**
 * The right to read the secrets of one environment: a Vault policy for exactly their paths, and a Kubernetes role that one
 * ServiceAccount of one namespace gets it by. For External Secrets that ServiceAccount is the namespace's own, and a
 * SecretStore logs in by it; the ricoberger operator logs in as itself, with the role that a VaultSecret names.
 */
export class VaultReader extends pulumi.ComponentResource {
  /** Role to log in by; the policy has the same name. */
  readonly role: pulumi.Output<string>;

  constructor(name: string, args: VaultReaderArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:platform:VaultReader", name, {}, opts);
    const { namespace, vault, kind } = args;
    const child = { parent: this };
    // Vault keeps names of policies and roles in small letters.
    const vaultName = ["usdf", pulumi.getStack(), args.system, args.environment].join("-").toLowerCase();
    const policy = new Policy(name, { name: vaultName, policy: policyText(args.paths, vault, kind) }, child);
    const mountPath = vault.authMounts[args.kubeContext]!;
    const isOperator = kind === "vaultSecret";
    const role = new AuthBackendRole(
      name,
      {
        backend: mountPath,
        roleName: vaultName,
        boundServiceAccountNames: [isOperator ? vault.operator.serviceAccount : readerName],
        boundServiceAccountNamespaces: [isOperator ? vault.operator.namespace : namespace],
        // The operator shows the token that its pod was given, which is for the API server.
        audience: isOperator ? undefined : vault.audience,
        tokenPolicies: [policy.name],
        tokenNoDefaultPolicy: true,
        tokenTtl: tokenTtlSeconds,
        tokenMaxTtl: tokenTtlSeconds,
      },
      child,
    );
    this.role = role.roleName;
    if (!isOperator) {
      const account = new k8s.core.v1.ServiceAccount(
        name,
        { metadata: { name: readerName, namespace }, automountServiceAccountToken: false },
        child,
      );
      customResource(
        name,
        {
          apiVersion: "external-secrets.io/v1",
          kind: "SecretStore",
          metadata: { name: readerName, namespace },
          spec: {
            provider: {
              vault: {
                server: vault.address,
                path: vault.mount,
                version: `v${vault.kvVersion}`,
                auth: {
                  kubernetes: {
                    mountPath,
                    role: this.role,
                    serviceAccountRef: { name: account.metadata.name, audiences: [vault.audience] },
                  },
                },
              },
            },
          },
        },
        child,
      );
    }
    this.registerOutputs({ role: this.role });
  }
}

/** The right of an environment to read its secrets; `undefined` where the stack declares no Vault. */
export function vaultReader(
  name: string,
  { platform, ...args }: Omit<VaultReaderArgs, "vault" | "kind"> & { readonly platform: PlatformConfig },
  opts: pulumi.ComponentResourceOptions,
): VaultReader | undefined {
  const { vault, secrets } = platform;
  if (vault === undefined || secrets.kind === "value") return undefined;
  return new VaultReader(name, { ...args, vault, kind: secrets.kind }, opts);
}

/**
 * What a reader may do: read each secret, nothing else; no list, no metadata, no older rights of Vault's default policy.
 * External Secrets also looks whether its token still lives, and gives it back after use.
 * @throws RunError for a path that is not below the configured mount.
 */
export function policyText(paths: readonly string[], vault: VaultConfig, kind: VaultReaderArgs["kind"]): string {
  const rules = [...new Set(paths)].sort().map((path) => rule(apiPath(path, vault), "read"));
  const own =
    kind === "externalSecret" ? [rule("auth/token/lookup-self", "read"), rule("auth/token/revoke-self", "update")] : [];
  return [...rules, ...own].join("\n");
}

function rule(path: string, capability: "read" | "update"): string {
  return `path "${path}" {\n  capabilities = ["${capability}"]\n}\n`;
}

/** Path of a secret in Vault's HTTP interface: KV version 2 has `data` behind the mount. */
function apiPath(path: string, { mount, kvVersion }: VaultConfig): string {
  if (!path.startsWith(`${mount}/`))
    throw new pulumi.RunError(
      `Vault path ${path} is not below "${mount}". Move the secret, or correct usdf:platform.vault.mount.`,
    );
  return kvVersion === 1 ? path : `${mount}/data${path.slice(mount.length)}`;
}
