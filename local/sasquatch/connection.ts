import type { Kafka } from "kafkajs";
import { z } from "zod";
import { ConfigError, type Contract, parseEnv } from "../../workloads/src/lib/contract";
import { kafkaClient, kafkaConnection, kafkaEnv, kafkaSecrets } from "../../workloads/src/lib/kafka";
import { createLogger } from "../../workloads/src/lib/log";
import { CommandError, exitCodes } from "../exit";

/** Where a command of `usdf sasquatch` finds Kafka. */
export interface KafkaOptions {
  /** Variables of this shell instead of the local stack's. */
  readonly env?: boolean;
  /** Bootstrap servers; the other variables are those of the shell. */
  readonly brokers?: string;
}

const contract: Contract<typeof kafkaEnv, typeof kafkaSecrets> = {
  name: "usdf",
  about: "Commands that ask Kafka",
  env: z.object(kafkaEnv),
  secrets: z.object(kafkaSecrets),
  httpPort: 0,
  longestStepSeconds: 0,
  runs: "to-completion",
};

/** Client of the Kafka that the options name. @throws CommandError that names the variables which are wrong. */
export async function kafkaOf({ env, brokers }: KafkaOptions): Promise<Kafka> {
  const base = env || brokers !== undefined ? process.env : await localVariables();
  const variables = { ...base, ...(brokers !== undefined && { KAFKA_BROKERS: brokers }) };
  try {
    const parsed = parseEnv(contract, variables);
    return kafkaClient(kafkaConnection("usdf", parsed), createLogger("usdf", "fatal"));
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message, exitCodes.usage, { cause: error });
    throw error;
  }
}

async function localVariables(): Promise<NodeJS.ProcessEnv> {
  const { localStack } = await import("../runner");
  const { efd } = await localStack();
  if (!efd) throw new CommandError("The local stack has no Kafka; name one with --brokers.", exitCodes.notRunning);
  return { KAFKA_BROKERS: efd.sal.brokers.join(",") };
}
