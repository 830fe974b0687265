import type { z } from "zod";
import type { storeEnv } from "../storeContract";

/** Secrets of other services, which the Butler has no use for. */
const withheld = ["REDIS_PASSWORD", "NOTIFICATION_SECRET"];

type ButlerEnv = Pick<
  z.output<z.ZodObject<typeof storeEnv>>,
  "BUCKET" | "BUTLER_REPO" | "BUTLER_MODE" | "BUTLER_CREATE" | "BUTLER_REGISTRY_URL"
>;

/** Environment of the Butler child: this process's own, as the contract read it. */
export function butlerEnvironment(env: ButlerEnv, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const child: NodeJS.ProcessEnv = {
    ...environment,
    BUCKET: env.BUCKET,
    BUTLER_REPO: env.BUTLER_REPO,
    BUTLER_MODE: env.BUTLER_MODE,
    BUTLER_CREATE: String(env.BUTLER_CREATE),
    BUTLER_REGISTRY_URL: env.BUTLER_REGISTRY_URL,
  };
  for (const name of withheld) delete child[name];
  return child;
}
