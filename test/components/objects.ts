import { readStackYaml, type RecordedResource, type RecordedStack, recordStack } from "../../local/record";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

/** Records a stack with another choice of images for all its environments. */
export async function recordWith(stack: string, image: "usdf" | "upstream"): Promise<RecordedStack> {
  const yaml = readStackYaml(stack) as { config: any };
  yaml.config["usdf:embargo"].image = image;
  for (const environment of Object.values<any>(yaml.config["usdf:embargo"].environments)) {
    if (!environment.ingest?.rucio) delete environment.image;
  }
  return recordStack(stack, { config: yaml });
}

/** Finds the objects of one namespace. */
export class Objects {
  readonly all: RecordedResource[];
  constructor(
    recorded: RecordedStack,
    readonly namespace: string,
  ) {
    this.all = recorded.resources.filter(
      ({ type, inputs }) => type.startsWith("kubernetes:") && (inputs.metadata as any)?.namespace === namespace,
    );
  }
  find(kind: string, name: string): any {
    const found = this.all.find(
      ({ type, inputs }) => type.endsWith(`:${kind}`) && (inputs.metadata as any).name === name,
    );
    if (!found) throw new Error(`no ${kind} ${this.namespace}/${name}`);
    return found.inputs;
  }
  has(kind: string, name: string): boolean {
    return this.all.some(({ type, inputs }) => type.endsWith(`:${kind}`) && (inputs.metadata as any).name === name);
  }
  names(kind: string): string[] {
    return this.all
      .filter(({ type }) => type.endsWith(`:${kind}`))
      .map(({ inputs }) => (inputs.metadata as any).name as string)
      .sort();
  }
}

/** The pod template of any kind that has one. */
export function podOf(object: any): any {
  return object.spec.jobTemplate?.spec.template ?? object.spec.jobTargetRef?.template ?? object.spec.template;
}

/** Variables of the first container: text, or `secret/<name>/<key>`, or `field/<path>`. */
export function envOf(object: any): Record<string, string> {
  return Object.fromEntries(
    podOf(object).spec.containers[0].env.map((variable: any) => {
      const { secretKeyRef, fieldRef } = variable.valueFrom ?? {};
      const from = secretKeyRef ? `secret/${secretKeyRef.name}/${secretKeyRef.key}` : `field/${fieldRef?.fieldPath}`;
      return [variable.name, variable.value ?? from];
    }),
  );
}
