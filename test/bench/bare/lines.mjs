/**
 * What the connector is measured against: line protocol that is made already, 5,000 lines a write, by four connections.
 * The task comes on stdin as JSON: { url, authorization, file, lines }, where the file holds the lines in writes of `lines`.
 * Prints milliseconds from the first write to the last answer.
 */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";

const { url, authorization, file, lines } = JSON.parse(readFileSync(0, "utf8"));
const whole = readFileSync(file);
const bodies = [];
for (let start = 0, count = 0, at = 0; at < whole.length;) {
  at = whole.indexOf(10, at) + 1;
  if (++count % lines === 0 || at === whole.length) {
    bodies.push(whole.subarray(start, at));
    start = at;
  }
}
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
const write = (body) =>
  new Promise((resolve, reject) => {
    const headers = { authorization, "content-length": body.length };
    const sent = request(url, { method: "POST", agent, headers }, (response) => {
      response.resume();
      response.once("end", () =>
        response.statusCode === 204 ? resolve() : reject(new Error(`${response.statusCode}`)),
      );
    });
    sent.once("error", reject);
    sent.end(body);
  });
const start = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: 4 }, async () => {
    while (next < bodies.length) await write(bodies[next++]);
  }),
);
process.stdout.write(String(performance.now() - start), () => process.exit(0));
