import { s3Fields } from "./connectors";
import type { Environment } from "./environment";
import { influxPasswordField } from "./environment";
import { influxSecretFields } from "./influx";
import { mirrorPasswordField } from "./mirrors";
import { kafkaUsers } from "./users";

/** Fields of `secrets.path` that the parts of an environment refer to. */
export function secretFields(environment: Pick<Environment, "settings" | "plan">): string[] {
  const { settings, plan } = environment;
  const isDeclared = settings.kafka.kind === "strimzi";
  const fields = [
    ...influxSecretFields(environment),
    ...(isDeclared ? kafkaUsers(environment).flatMap(({ passwordField }) => passwordField ?? []) : []),
    ...plan.connectors.map(({ influxUser }) => influxPasswordField(influxUser)),
    ...plan.mirrors.flatMap(({ from }) => {
      const mirror = settings.mirrors[from]!;
      return [mirrorPasswordField(from, mirror), ...(mirror.caField === undefined ? [] : [mirror.caField])];
    }),
    ...plan.longTerm.flatMap((one) =>
      one.kind === "jdbc" ? [`${one.settings.user}-password`] : one.kind === "parquet" ? Object.values(s3Fields) : [],
    ),
  ];
  return [...new Set(fields)].sort();
}
