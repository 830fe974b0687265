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
 * Which environment of a stack is meant.
 * @param isAny - Take the first where nothing tells.
 * @throws CommandError that names those there are.
 */
export function environmentOf(
  stack: string,
  { environment, instrument }: { readonly environment?: string; readonly instrument?: string },
  isAny = false,
): string {
  const environments = stackConfig(stack).efd?.environments ?? {};
  const known = Object.keys(environments);
  if (environment !== undefined && known.includes(environment)) return environment;
  const fitting = known.filter(
    (name) => instrument === undefined || environments[name]!.instrument.toLowerCase() === instrument.toLowerCase(),
  );
  if (environment === undefined && fitting.length > 0 && (fitting.length === 1 || isAny)) return fitting[0]!;
  const which =
    environment === undefined
      ? `Which environment of stack ${stack}${instrument === undefined ? "" : ` for ${instrument}`}?`
      : `No environment ${environment} in stack ${stack}.`;
  throw new CommandError(`${which} There are: ${known.join(", ") || "none"}.`, exitCodes.usage);
}

/**
 * Variables of the CronJob of an environment as the cluster has it. Secrets are read into memory only; what they name
 * (databases, EFD) must be reachable from this machine.
 */
export async function clusterVariables(
  stack: string,
  environment: string,
  ask: Ask = askCluster,
): Promise<{ name: string; env: NodeJS.ProcessEnv }> {
  const efd = stackConfig(stack).efd!;
  const place = { context: efd.kubeContext, namespace: environment };
  const object = (await ask(place, `cronjob/${efd.name}`)) as CronJob;
  const [{ env: declared = [] }] = object.spec.jobTemplate.spec.template.spec.containers;
  const secrets = await secretsOf(place, declared, ask);
  const values = declared.map(({ name, value, valueFrom }) => {
    const reference = valueFrom?.secretKeyRef;
    return [name, reference ? secrets.get(reference.name)?.[reference.key] : value];
  });
  return { name: `${environment} (stack ${stack})`, env: { HOME: process.env.HOME, ...Object.fromEntries(values) } };
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
