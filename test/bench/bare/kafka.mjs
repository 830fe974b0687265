/** What the Kafka flavour is measured against: kafkajs consuming alone. Arguments: broker, topic, group, messages. Prints ms from the first batch to the last. */
import kafkajs from "kafkajs";

const [broker, topic, groupId, total] = process.argv.slice(2);
const consumer = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
let count = 0;
let bytes = 0;
let start;
await consumer.run({
  eachBatch: async ({ batch }) => {
    start ??= performance.now();
    for (const { value } of batch.messages) bytes += value.length;
    count += batch.messages.length;
    if (count < Number(total)) return;
    process.stdout.write(JSON.stringify({ ms: performance.now() - start, count, bytes }), () => process.exit(0));
  },
});
