import { CommandError, exitCodes } from "../exit";
import { kubectl, type KubePlace } from "../kubectl";
import { stackConfig } from "../stackConfig";

/** A variable of a container, as an object of Kubernetes declares it. */
interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
}

interface CronJob {
  readonly spec: {
    readonly jobTemplate: {
      readonly spec: {
        readonly template: {
          readonly spec: { readonly containers: readonly [{ readonly env?: readonly Variable[] }] };
        };
      };
    };
  };
}

/** Gives an object of the cluster, e.g. `cronjob/transformed-efd-prod`. */
type Ask = (place: KubePlace, object: string) => Promise<unknown>;

const askCluster: Ask = async (place, object) => JSON.parse(await kubectl(place, "get", object, "--output=json"));

/**
 * Variables of the CronJob of an environment as the cluster has it. Secrets are read into memory only; what they name
 * (databases, EFD) must be reachable from this machine.
 */
export async function clusterVariables(
  stack: string,
  environment: string | undefined,
  ask: Ask = askCluster,
): Promise<{ name: string; env: NodeJS.ProcessEnv }> {
  const { efd } = stackConfig(stack);
  const known = Object.keys(efd?.environments ?? {});
  const chosen = environment ?? (known.length === 1 ? known[0]! : undefined);
  if (efd === undefined || chosen === undefined || !known.includes(chosen)) {
    const which =
      environment === undefined
        ? `Which environment of stack ${stack}?`
        : `No environment ${environment} in stack ${stack}.`;
    throw new CommandError(`${which} There are: ${known.join(", ") || "none"}.`, exitCodes.usage);
  }
  const place = { context: efd.kubeContext, namespace: chosen };
  const object = (await ask(place, `cronjob/${efd.name}`)) as CronJob;
  const [{ env: declared = [] }] = object.spec.jobTemplate.spec.template.spec.containers;
  const secrets = await secretsOf(place, declared, ask);
  const values = declared.map(({ name, value, valueFrom }) => {
    const reference = valueFrom?.secretKeyRef;
    return [name, reference ? secrets.get(reference.name)?.[reference.key] : value];
  });
  return { name: `${chosen} (stack ${stack})`, env: { HOME: process.env.HOME, ...Object.fromEntries(values) } };
}

/** Values by Secret and key. */
async function secretsOf(
  place: KubePlace,
  declared: readonly Variable[],
  ask: Ask,
): Promise<Map<string, Record<string, string>>> {
  const names = new Set(declared.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? []));
  const found = new Map<string, Record<string, string>>();
  for (const name of names) {
    const { data = {} } = (await ask(place, `secret/${name}`)) as { data?: Record<string, string> };
    const plain = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]);
    found.set(name, Object.fromEntries(plain));
  }
  return found;
}
