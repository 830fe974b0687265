/**
 * What the Kafka flavour is measured against: kafkajs alone. Arguments: broker, topic, group, messages, and how: `read` takes
 * message by message and reads its JSON, as a consumer of notifications must; `touch` only counts whole batches.
 * Prints messages a second, from the first to the last.
 */
import kafkajs from "kafkajs";

const [broker, topic, groupId, total, how] = process.argv.slice(2);
const consumer = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
let count = 0;
let start;
function took(messages) {
  start ??= performance.now();
  count += messages;
  if (count < Number(total)) return;
  process.stdout.write(String(count / ((performance.now() - start) / 1000)), () => process.exit(0));
}
await consumer.run(
  how === "read"
    ? { eachMessage: async ({ message }) => took(JSON.parse(message.value.toString()).Records.length) }
    : { eachBatch: async ({ batch }) => took(batch.messages.length) },
);
