import type { z } from "zod";
import type { Contract } from "../../workloads/src/lib/contract";
import type { SecretKeyReference } from "./secrets";

/** Variables that the platform gives every container of ours by itself. */
type Given = "HTTP_HOST" | "HTTP_PORT" | "POD_NAME";

/**
 * Environment of a container of ours, typed by its program's contract: a misspelt or missing variable does not compile,
 * and a secret can only be a reference.
 */
export type ContainerEnv<C extends Contract> = Omit<z.input<C["env"]>, Given> & {
  // A contract without secrets has an index of anything here.
  [Name in keyof z.input<C["secrets"]> as string extends Name ? never : Name]:
    SecretKeyReference | Extract<z.input<C["secrets"]>[Name], undefined>;
};

/** `Env` without a variable that the contract does not have: a spread would carry one past the compiler otherwise. */
export type ExactEnv<C extends Contract, Env> = Env & {
  [Name in Exclude<keyof Env, keyof ContainerEnv<C>>]: never;
};

/** A variable of a container, as Kubernetes writes it. */
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

/** What a variable can be given: plain text or number, a key of a Secret, or a field of the pod. */
export type EnvValue = string | number | boolean | SecretKeyReference | { readonly field: string } | undefined;

/** Variables in the form of Kubernetes; what is `undefined` is left out. */
export function envVars(values: Readonly<Record<string, EnvValue>>): EnvVar[] {
  return Object.entries(values).flatMap(([name, value]): EnvVar[] => {
    if (value === undefined) return [];
    if (typeof value !== "object") return [{ name, value: String(value) }];
    if ("field" in value) return [{ name, valueFrom: { fieldRef: { fieldPath: value.field } } }];
    return [{ name, valueFrom: { secretKeyRef: { name: value.secretName, key: value.key } } }];
  });
}

/** The pod's own name and address, which a program of ours binds and signs with. */
export const podFields = {
  HTTP_HOST: { field: "status.podIP" },
  POD_NAME: { field: "metadata.name" },
} as const;
