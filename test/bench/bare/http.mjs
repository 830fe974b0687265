/** What the HTTP services are measured against: fastify and one Redis command a request, nothing else. Arguments: own address, Redis' address. */
import Fastify from "fastify";
import { Redis } from "ioredis";

const [address, redisHost] = process.argv.slice(2);
const redis = new Redis({ host: redisHost });
const app = Fastify({ bodyLimit: 4_194_304 });
app.post("/notify", async (request) => {
  const { bucket, object } = request.body.Records[0].s3;
  await redis.lpush("QUEUE:bare", `${bucket.name}/${object.key}`);
  return [];
});
app.get("/presence/:instrument/:group/:snap/:detector", async (request) => {
  const { instrument, group, snap, detector } = request.params;
  const uri = await redis.get(`GROUP:${instrument}:${group}:${snap}:${detector}`);
  return uri === null ? { error: false, present: false } : { error: false, present: true, uri };
});
await app.listen({ host: address, port: 8000 });
