import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault/generic";
import type { PlatformConfig } from "../config";
import { runsInEngine } from "./cluster";
import { customResource } from "./custom";
import { readerName, type VaultReader } from "./vault";

/** A field of a secret in Vault. The value itself is nowhere in this program. */
export interface VaultField {
  /** Path with its mount, as `vault kv get` takes it, e.g. `secret/rubin/usdf-embargo-dmz/summit`. */
  readonly path: string;
  readonly field: string;
}

/** Text that stands for a secret value where the program runs without an engine. */
export const vaultMark = {
  of: ({ path, field }: VaultField) => `[secret ${path}#${field}]`,
  /** The field that a mark stands for; `undefined` for any other text. */
  read: (text: string): VaultField | undefined => {
    const match = /^\[secret (.+)#([^#]+)\]$/.exec(text);
    return match ? { path: match[1]!, field: match[2]! } : undefined;
  },
};

/** A key of a Secret object: what a container's variable or volume refers to. */
export interface SecretKeyReference {
  readonly secretName: string;
  readonly key: string;
}

/** Type and labels of a Secret that an operator reads. */
export interface SecretForm {
  readonly type: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Arguments of {@link SecretReference}. */
export interface SecretReferenceArgs {
  readonly namespace: pulumi.Input<string>;
  /** Name of the Secret object; pods and runbooks refer to it. */
  readonly name: string;
  /** Vault path that all fields are at. */
  readonly path: string;
  /** Field in Vault, by key of the Secret. */
  readonly fields: Readonly<Record<string, string>>;
  /** What the reader of the Secret wants it to be. @defaultValue an Opaque one without labels */
  readonly form?: SecretForm;
  /** Who brings the values. */
  readonly secrets: PlatformConfig["secrets"];
  /** The right to read them, where the stack declares it. Default: that of the ClusterSecretStore or of the operator. */
  readonly reader?: VaultReader;
}

/** A Secret object whose values come from Vault: by External Secrets, by the ricoberger operator, or from the stack. */
export class SecretReference extends pulumi.ComponentResource {
  readonly name: string;

  constructor(name: string, args: SecretReferenceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:platform:SecretReference", name, {}, opts);
    this.name = args.name;
    const { form } = args;
    const labels = form && { ...form.labels };
    const metadata = { name: args.name, namespace: args.namespace, ...(labels && { labels }) };
    const fields = Object.entries(args.fields);
    const child = { parent: this, dependsOn: args.reader };
    switch (args.secrets.kind) {
      case "externalSecret":
        customResource(
          name,
          {
            apiVersion: "external-secrets.io/v1",
            kind: "ExternalSecret",
            metadata,
            spec: {
              refreshInterval: args.secrets.refreshInterval,
              secretStoreRef: args.reader
                ? { kind: "SecretStore", name: readerName }
                : { kind: "ClusterSecretStore", name: args.secrets.store },
              target: {
                name: args.name,
                creationPolicy: "Owner",
                ...(form && { template: { type: form.type, metadata: { labels } } }),
              },
              data: fields.map(([secretKey, field]) => ({ secretKey, remoteRef: { key: args.path, property: field } })),
            },
          },
          child,
        );
        break;
      case "vaultSecret":
        customResource(
          name,
          {
            apiVersion: "ricoberger.de/v1alpha1",
            kind: "VaultSecret",
            metadata,
            spec: {
              path: args.path,
              vaultRole: args.reader?.role,
              type: form?.type ?? "Opaque",
              keys: fields.map(([, field]) => field),
              // The operator keeps Vault's names unless told otherwise; a field may hold a dot, so it is indexed.
              templates: Object.fromEntries(fields.map(([key, field]) => [key, `{% index .Secrets "${field}" %}`])),
            },
          },
          child,
        );
        break;
      case "value":
        new k8s.core.v1.Secret(
          name,
          {
            metadata,
            type: form?.type ?? "Opaque",
            stringData: Object.fromEntries(
              fields.map(([key, field]) => [key, secretValue({ path: args.path, field }, args.secrets)]),
            ),
          },
          child,
        );
    }
    this.registerOutputs({ name: this.name });
  }

  /** Reference to one key, for a container's variable. */
  key(key: string): SecretKeyReference {
    return { secretName: this.name, key };
  }
}

/**
 * The value of a secret, for what is no Kubernetes object (a topic's opaqueData). It is a Pulumi secret: encrypted in
 * the state, never shown. Without an engine (preview, render, local) it is not read: a {@link vaultMark} stands for it.
 * @param opts - `provider` or `parent` that tells which Vault. Default: VAULT_ADDR and VAULT_TOKEN.
 */
export function secretValue(
  from: VaultField,
  secrets: PlatformConfig["secrets"],
  opts?: pulumi.InvokeOptions,
): pulumi.Output<string> {
  if (!runsInEngine()) return pulumi.secret(vaultMark.of(from));
  if (secrets.kind === "value") {
    const key = `${from.path}#${from.field}`;
    const values = new pulumi.Config("usdf").requireSecretObject<Record<string, string>>("secrets");
    return pulumi.secret(
      values.apply((all) => {
        if (all[key] !== undefined) return all[key];
        throw new Error(
          `Secret ${key} is not in this stack. Set it: pulumi config set --secret --path 'usdf:secrets["${key}"]'`,
        );
      }),
    );
  }
  return pulumi.secret(
    vault.getSecretOutput({ path: from.path }, opts).data.apply((data) => {
      if (data[from.field] !== undefined) return data[from.field] as string;
      throw new Error(
        `Vault path ${from.path} has no field ${from.field}. Put it there, or correct the configuration.`,
      );
    }),
  );
}
