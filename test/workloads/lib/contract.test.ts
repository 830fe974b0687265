import { z } from "zod";
import {
  choice,
  type Contract,
  flag,
  integer,
  list,
  nearest,
  parseEnv,
  redisEnv,
  redisSecrets,
  seconds,
  text,
} from "../../../workloads/src/lib/contract";

const contract = {
  name: "sample",
  about: "A sample.",
  env: z.object({
    ...redisEnv,
    MAX_INGESTS: integer({ about: "Objects of one batch", unit: "objects", min: 1 }).default(10),
    MAX_GUIDER_WAIT: seconds({ about: "First recheck of a guider" }).default(5),
    DELETE_SEEN: flag({ about: "Forget what was seen" }).default(false),
    MODE: choice(["webhook", "kafka"], { about: "Flavour" }).optional(),
    BUCKETS: list({ about: "Known buckets" }).default([]),
  }),
  secrets: z.object({ ...redisSecrets, NOTIFICATION_SECRET: text({ about: "Shared secret" }) }),
  httpPort: 8000,
  longestStepSeconds: 10,
  runs: "until-stopped",
} satisfies Contract;
const good = { REDIS_HOST: "redis", REDIS_PASSWORD: "p", NOTIFICATION_SECRET: "s" };

it("reads text as what it stands for, and fills in defaults", () => {
  const env = parseEnv(contract, {
    ...good,
    MAX_INGESTS: "50",
    MAX_GUIDER_WAIT: "0.5",
    DELETE_SEEN: "0",
    BUCKETS: "a, b",
  });
  expect(env).toEqual({
    ...{ ...good, REDIS_PORT: 6379, REDIS_TLS: false, MAX_INGESTS: 50, MAX_GUIDER_WAIT: 0.5, DELETE_SEEN: false },
    BUCKETS: ["a", "b"],
  });
});

it("names every fault at once, and no value of a secret", () => {
  const fault = () =>
    parseEnv(contract, {
      ...{ REDIS_PASSWORD: "", NOTIFICATION_SECRET: "hidden", MAX_INGESTS: "ten", MAX_GUIDER_WAIT: "-1" },
      ...{ DELETE_SEEN: "maybe", MODE: "pigeon", REDIS_PROT: "1" },
    });
  expect(fault).toThrow(
    `sample cannot start: 7 faults in its environment.
  - REDIS_HOST is missing: Host of the Redis that holds the queues
  - MAX_INGESTS="ten" is not a whole number: Objects of one batch [objects]
  - MAX_GUIDER_WAIT="-1" is not a number of seconds: First recheck of a guider [seconds]
  - DELETE_SEEN="maybe" is "maybe", not true or false: Forget what was seen
  - MODE="pigeon" is refused (Invalid option: expected one of "webhook"|"kafka"): Flavour
  - REDIS_PASSWORD (secret, value not shown): Password of the default user of that Redis; it is not valid
  - REDIS_PROT is not a variable of sample; did you mean REDIS_PORT?`,
  );
});

it.each([
  { name: "replica", expected: "replicas" },
  { name: "REDIS_PROT", expected: "REDIS_PORT" },
  { name: "HOME", expected: undefined },
])("takes $name for $expected", ({ name, expected }) =>
  expect(nearest(name, ["replicas", "REDIS_PORT", "REDIS_HOST"])).toBe(expected),
);
