/** Sasquatch on the node: one client's records, from a Kafka beside the cluster to InfluxDB, by pods of the real image. */
import { join } from "node:path";
import {
  type RunningInfluxdb,
  type RunningKafka,
  type RunningRegistry,
  startKafka,
  startRegistry,
} from "../../local/services";
import { typeOf } from "../../workloads/src/lib/avro";
import { type Admin, Kafka, logLevel, type Producer } from "../../workloads/src/lib/kafkajs";
import { until } from "../support/network";
import { registerSchema } from "../support/registry";
import type { Node } from "./node";

/** Environment, and so namespace. */
const environment = "sasquatch";
const client = "lsst.example";
const kafkaTopic = `${client}.step`;
const vaultPath = "secret/usdf/cluster/sasquatch";
/** KEDA's operator, which runs beside the node, has 8081. */
const registryPort = 18081;
const schema = {
  type: "record",
  // The two together are the measurement's name.
  namespace: client,
  name: "step",
  fields: [
    { name: "private_efdStamp", type: "double" },
    { name: "n", type: "long" },
  ],
};
/** Not efdreader, whom the transformed EFD of this server has. */
const reader = "step-reader";
const batch = 200;

/** Kafka and a schema registry on the machine, and an environment of Sasquatch that reads them. */
export class ClusterSasquatch {
  /** Records sent; the n-th has `n` = 1, 2, 3, … */
  sent = 0;
  private readonly beganSeconds = Math.floor(Date.now() / 1000) - 3600;

  private constructor(
    readonly kafka: RunningKafka,
    readonly registry: RunningRegistry,
    private readonly influxdb: RunningInfluxdb,
    private readonly admin: Admin,
    private readonly producer: Producer,
    private readonly schemaId: number,
  ) {}

  static async start(dir: string, address: string, influxdb: RunningInfluxdb): Promise<ClusterSasquatch> {
    const [kafka, registry] = await Promise.all([
      startKafka({ dir: join(dir, "kafka"), address }),
      startRegistry({ dir: join(dir, "registry"), address, port: registryPort }),
    ]);
    const connection = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING });
    const [admin, producer] = [connection.admin(), connection.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    const topics = [kafkaTopic, `dead-letters.${client.replace(".", "-")}-all`].map((topic) => ({ topic }));
    await admin.createTopics({ topics, waitForLeaders: true });
    const schemaId = await registerSchema(registry.url, `${kafkaTopic}-value`, schema);
    return new ClusterSasquatch(kafka, registry, influxdb, admin, producer, schemaId);
  }

  /** `usdf:sasquatch`. */
  config(): object {
    return {
      clients: { [client]: { about: "Steps of the test", topics: { namespace: client }, readers: [reader] } },
      environments: {
        [environment]: {
          kubeContext: "local",
          host: "localhost",
          secrets: { path: vaultPath },
          kafka: { kind: "external", brokerList: [this.kafka.bootstrap] },
          registry: { url: this.registry.url },
          influxdb: { url: this.influxdb.url },
          clients: {
            [client]: {
              connectors: {
                all: { requests: { cpu: "50m", memory: "96Mi" }, limits: { cpu: "2", memory: "256Mi" } },
              },
            },
          },
        },
      },
    };
  }

  /** Values of its secrets, by Vault path and field. */
  secrets(): Record<string, string> {
    const fields = {
      "influxdb-password": this.influxdb.password,
      "influxdb-token": this.influxdb.token,
      [`${reader}-password`]: "cluster-reader",
      [`${client}-writer-password`]: "cluster-writer",
    };
    return Object.fromEntries(Object.entries(fields).map(([field, value]) => [`${vaultPath}#${field}`, value]));
  }

  /** Runs the set-up's CronJob once, as it runs every few minutes. @returns The last line of its log. */
  setUp(node: Node): string {
    const kubectl = (...args: string[]) => node.kubectl("--namespace", environment, ...args);
    const from = ["--from=cronjob/sasquatch-influxdb-setup", "--dry-run=client", "-o", "json"];
    const job = JSON.parse(kubectl("create", "job", "set-up", ...from));
    delete job.metadata.ownerReferences; // the CronJob would remove it, with its log, once one of its own has ended
    node.kubectlWith(JSON.stringify(job), "create", "-f", "-");
    try {
      kubectl("wait", "--for=condition=Complete", "job/set-up", "--timeout=120s");
    } catch (error) {
      throw new Error(node.logs(environment, "job-name=set-up"), { cause: error });
    }
    return kubectl("logs", "job/set-up").trim().split("\n").at(-1)!;
  }

  /** Sends one batch of records. */
  async send(): Promise<void> {
    const type = typeOf(schema);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(this.schemaId, 1);
    const messages = Array.from({ length: batch }, (_, index) => {
      const n = this.sent + index + 1;
      const value = { private_efdStamp: this.beganSeconds + n / 1000, n };
      return { value: Buffer.concat([head, type.toBuffer(value)]) };
    });
    await this.producer.send({ topic: kafkaTopic, messages });
    this.sent += batch;
  }

  /**
   * Ends the connector's pod while it works, as a node that dies does, and sends on until another one writes.
   * @returns The pod's name, and the points that were stored when it ended.
   */
  async loseConnector(node: Node): Promise<{ lost: string; stored: number }> {
    await until("the connector to run", () => this.connectors(node).length > 0, { pollMs: 500 });
    const [lost] = this.connectors(node) as [string];
    await this.send();
    await until("the connector to have begun", async () => (await this.stored()).count > 0, {
      pollMs: 20,
      state: () => node.logs(environment, connectorLabel),
    });
    for (let i = 0; i < 10; i++) await this.send();
    node.kubectl("--namespace", environment, "delete", "pod", lost, "--grace-period=0", "--force", "--wait=false");
    const { count } = await this.stored();
    await this.send();
    return { lost, stored: count };
  }

  /** Waits until every record is a point; gives their number and the sum of their `n`. */
  async settled(node: Node): Promise<{ count: number; sum: number }> {
    await until(`${this.sent} points`, async () => (await this.stored()).count >= this.sent, {
      pollMs: 500,
      state: async () => ({ stored: await this.stored(), log: node.logs(environment, connectorLabel) }),
    });
    return this.stored();
  }

  /** Names of the connector's pods that shall live. */
  connectors(node: Node): string[] {
    return node
      .list("pods", environment)
      .filter(({ metadata, status }) => status.phase === "Running" && !metadata.deletionTimestamp)
      .filter(({ metadata }) => metadata.labels["app.kubernetes.io/component"] === "connector")
      .map(({ metadata }) => metadata.name as string);
  }

  async stop(): Promise<void> {
    await Promise.all([this.admin.disconnect(), this.producer.disconnect()]);
    await Promise.all([this.registry.stop(), this.kafka.stop()]);
  }

  private async stored(): Promise<{ count: number; sum: number }> {
    const q = `SELECT count("n"), sum("n") FROM "${kafkaTopic}"`;
    const response = await fetch(
      `${this.influxdb.url}/query?${new URLSearchParams({ db: client, rp: "autogen", q })}`,
      {
        headers: { authorization: `Token ${this.influxdb.token}` },
        signal: AbortSignal.timeout(10_000),
      },
    );
    type Result = { series?: { values: number[][] }[]; error?: string };
    const { results, error } = (await response.json()) as { results?: Result[]; error?: string };
    const fault = error ?? results?.[0]?.error;
    if (fault !== undefined) throw new Error(`InfluxDB answers ${response.status}: ${fault}`);
    const [, count = 0, sum = 0] = results?.[0]?.series?.[0]?.values[0] ?? [];
    return { count, sum };
  }
}

const connectorLabel = "app.kubernetes.io/component=connector";
