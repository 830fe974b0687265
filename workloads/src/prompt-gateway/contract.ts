import { z } from "zod";
import { commonEnv, type Contract, integer, redisEnv, redisSecrets, seconds, text } from "../lib/contract";

/** A program and its arguments as a JSON list, e.g. `["python","-m","activator"]`. */
const command = z
  .string()
  .transform((value, context): [string, ...string[]] => {
    const issue = (message: string) => {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    };
    let list: unknown;
    try {
      list = JSON.parse(value);
    } catch {
      return issue('is not JSON; it must be a list such as ["python","-m","activator"]');
    }
    const words = z.array(z.string().min(1)).min(1).safeParse(list);
    return words.success ? (words.data as [string, ...string[]]) : issue("is not a list of one or more words");
  })
  .meta({ about: 'Program that processes visits, and its arguments: a JSON list such as ["python","-m","activator"]' });

/** Environment of the gateway. What it does not know goes to the pipeline as it is, its own secrets do not. */
export const promptGatewayContract = {
  name: "prompt-gateway",
  about: "Claims visits from an instrument's stream and has the pipeline process them, one at a time",
  env: z.object({
    ...commonEnv,
    ...redisEnv,
    RUBIN_INSTRUMENT: text({ about: "Instrument, as in the visits, e.g. LSSTCam" }),
    REDIS_STREAM_NAME: text({ about: "Stream of the instrument's visits, e.g. instrument:lsstcam" }),
    REDIS_STREAM_CONSUMER_GROUP: text({ about: "Consumer group of all its workers, e.g. lsstcam_consumer_group" }),
    PIPELINE_COMMAND: command,
    PIPELINE_READY_TIMEOUT: seconds({
      about: "Time that the pipeline program may take to load, before it takes visits",
      min: 0.01,
    }).default(600),
    WORKER_TIMEOUT: seconds({ about: "Longest time of one visit; then the pipeline is ended", min: 0.01 }).default(900),
    WORKER_GRACE_PERIOD: seconds({
      about: "Time that a stop leaves to a pipeline that has begun; by default what WORKER_TIMEOUT leaves to it",
    }).optional(),
    WORKER_RESTART_FREQ: integer({ about: "Visits after which the worker ends; 0: no limit" }).default(0),
    FANNED_OUT_MSG_LISTEN_TIMEOUT: seconds({
      about: "Time without a visit after which the worker ends",
      min: 0.01,
    }).default(300),
    IMAGE_TIMEOUT: seconds({
      about: "Time to wait for the raws of a visit, beyond twice the duration that it announces",
    }).default(20),
    MESSAGE_EXPIRATION: seconds({ about: "Age since its publication at which a visit is dropped" }).default(3_600),
    MAX_ATTEMPTS: integer({ about: "Attempts at a visit before it is a dead letter", min: 1 }).default(3),
    LEASE_DURATION: seconds({
      about: "A worker that is silent for this time loses its visit to another one",
      min: 0.1,
    }).default(30),
  }),
  secrets: z.object({ ...redisSecrets }),
  httpPort: 8000,
  longestStepSeconds: 960,
  runs: "to-completion",
} as const satisfies Contract;
