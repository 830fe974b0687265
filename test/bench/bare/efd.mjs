/**
 * What transform-efd is measured against: requests sent eight at a time, their answers dropped, and rows stored by nothing but COPY in
 * one transaction. Standard input: JSON of `influxdb`, `authorization`, `sent` (path and body of each request), `consdb` and
 * `rows` (file of each table, as COPY wrote it). Prints the bytes of the answers.
 */
import { createReadStream } from "node:fs";
import { Agent, request } from "node:http";
import { json } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

const { influxdb, authorization, sent, consdb, rows } = await json(process.stdin);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const headers = { "content-type": "application/x-www-form-urlencoded", authorization };

const fetched = ({ path, body }) =>
  new Promise((resolve, reject) => {
    let bytes = 0;
    const asked = request(`${influxdb}${path}`, { method: "POST", agent, headers }, (answer) => {
      answer.on("data", (piece) => (bytes += piece.length));
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`HTTP ${answer.statusCode}`)),
      );
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body);
  });
const sizes = await Promise.all(sent.map(fetched));
agent.destroy();

const client = new pg.Client({ connectionString: consdb });
await client.connect();
await client.query("begin");
for (const [table, file] of Object.entries(rows))
  await pipeline(createReadStream(file), client.query(copyFrom(`copy ${table} from stdin`)));
await client.query("commit");
await client.end();
process.stdout.write(String(sizes.reduce((sum, bytes) => sum + bytes, 0)));
