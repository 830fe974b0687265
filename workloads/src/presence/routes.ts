import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Redis } from "ioredis";
import { Counter, Histogram } from "prom-client";
import type { Logger } from "../lib/log";
import { redisKey } from "../lib/redisKeys";

const answers = new Counter({
  name: "usdf_presence_answers_total",
  help: "Answers of presence by result: present, absent, refused, failed",
  labelNames: ["result"] as const,
});
const lookup = new Histogram({
  name: "usdf_presence_lookup_seconds",
  help: "Time that Redis took to answer",
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1],
});
for (const result of ["present", "absent", "refused", "failed"]) answers.inc({ result }, 0);

/** Instruments that the groups of exposures are kept for. */
const instruments = new Set(["LATISS", "LSSTComCam", "LSSTComCamSim", "LSSTCam", "LSST-TS8"]);
/** A sensor of a science raft (`R22_S11`), or of a corner raft: wavefront `R00_SW0`, guider `R00_SG1`. */
const detectorName = /^R\d\d_S(?:\d\d|[WG][01])$/;

export interface PresenceOptions {
  readonly redis: Redis;
  readonly log: Logger;
  /** Forget an image with the answer that it is present. */
  readonly deleteSeen: boolean;
}

type Params = { instrument: string; group: string; snap: string; detector: string };

/**
 * `GET /presence/<instrument>/<group>/<snap>/<detector>`: where the image of a detector is, once it arrived.
 * Its clients branch on `error`, `present` and `uri`, and on the status: 200, 400 for a name that no image can have,
 * 404 for another path, 405 for another method, 500 when Redis does not answer.
 */
export function presenceRoutes(app: FastifyInstance, options: PresenceOptions): void {
  const { redis, log, deleteSeen } = options;
  const url = "/presence/:instrument/:group/:snap/:detector";
  app.get<{ Params: Params }>(url, async (request, reply) => {
    const { instrument, group, snap, detector } = request.params;
    if (!/^\d+$/.test(snap) || [instrument, group, detector].some((part) => part === "" || part.includes("/"))) {
      return notFound(request, reply);
    }
    if (!instruments.has(instrument)) return refuse(reply, `Unknown instrument ${instrument}`);
    if (!detectorName.test(detector)) return refuse(reply, `Unrecognized detector name ${detector}`);
    const key = redisKey.group(instrument, group, Number(snap), detector);
    const done = lookup.startTimer();
    try {
      const uri = deleteSeen && request.method === "GET" ? await redis.getdel(key) : await redis.get(key);
      answers.inc({ result: uri === null ? "absent" : "present" });
      return uri === null ? { error: false, present: false } : { error: false, present: true, uri };
    } catch (error) {
      answers.inc({ result: "failed" });
      log.error({ err: error, key }, "Redis did not answer");
      return reply.code(500).send({ error: true, message: "The store of image locations did not answer; try again" });
    } finally {
      done();
    }
  });
  app.route({
    method: ["POST", "PUT", "PATCH", "DELETE"],
    url,
    // before the body is read: whatever it is, the method is wrong
    onRequest: async (_request, reply) =>
      reply.code(405).header("allow", "GET, HEAD").send({ error: true, message: "Only GET is answered here" }),
    handler: async () => undefined,
  });
  app.setNotFoundHandler(notFound);
}

function notFound(_request: FastifyRequest, reply: FastifyReply) {
  return reply
    .code(404)
    .send({ error: true, message: "Ask GET /presence/<instrument>/<group>/<snap>/<detector>, snap a number from 0" });
}

function refuse(reply: FastifyReply, message: string) {
  answers.inc({ result: "refused" });
  return reply.code(400).send({ error: true, message });
}
