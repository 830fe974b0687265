/**
 * What the router's latency is measured against: kafkajs and one PUBLISH a message, with nothing read, kept or committed.
 * Arguments: broker, topic, group, Redis host. A message's key is the channel.
 */
import { Redis } from "ioredis";
import kafkajs from "kafkajs";

const [broker, topic, groupId, host] = process.argv.slice(2);
const redis = new Redis({ host });
const consumer = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
consumer.on(consumer.events.GROUP_JOIN, () => process.stdout.write("joined\n"));
await consumer.run({
  eachBatch: async ({ batch }) => {
    for (const { key, value } of batch.messages) if (key) void redis.publish(key, value);
  },
});
