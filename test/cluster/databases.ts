/** The databases of Prompt Processing on the node, by the real CloudNativePG operator: who may do what in them, by trying. */
import { Client } from "pg";
import { until } from "../support/network";
import type { Node } from "./node";

const namespace = "database";
const cluster = "prompt-processing";
const roles = ["rubin", "pp", "hsc_prompt", "latiss_prompt"] as const;
type Role = (typeof roles)[number];
const passwordOf = (role: Role) => `cluster-${role}`;

/** Values of their secrets, by path below the environment's prefix. */
export const databaseSecrets = Object.fromEntries(
  roles.map((role) => [`postgres-${role.replaceAll("_", "-")}`, { username: role, password: passwordOf(role) }]),
);

/** `databases` of an environment: an APDB and a registry, as small as they go. */
export const databases = () => ({
  image: "docker.io/local/postgresql:15",
  imagePullPolicy: "Never",
  instances: 1,
  storage: { size: "1Gi" },
  maxConnections: 60,
  parameters: { shared_buffers: "64MB" },
  requests: { cpu: "50m", memory: "128Mi" },
  limits: { cpu: "2", memory: "512Mi" },
  roles: Object.fromEntries(roles.map((role) => [role, {}])),
  databases: {
    "lsst-devl": {
      owner: "rubin",
      grants: [{ to: ["latiss_prompt"], privileges: ["CONNECT"] }],
      schemas: [
        {
          names: "pp_apdb_latiss",
          grants: [{ to: ["latiss_prompt"], privileges: ["USAGE"] }],
          tables: [{ names: "*", to: ["latiss_prompt"], privileges: ["SELECT", "INSERT", "UPDATE"] }],
          sequences: [{ names: "*", to: ["latiss_prompt"], privileges: ["SELECT", "USAGE"] }],
        },
      ],
    },
    ppcentralbutler: {
      owner: "pp",
      grants: [{ to: ["hsc_prompt", "latiss_prompt"], privileges: ["CONNECT"] }],
      schemas: [
        {
          names: "pp_dev_central_repo_2",
          grants: [{ to: ["hsc_prompt", "latiss_prompt"], privileges: ["USAGE"] }],
          tables: [{ names: "*", to: ["hsc_prompt", "latiss_prompt"], privileges: ["SELECT", "UPDATE"] }],
        },
      ],
    },
  },
  grants: { suspend: true }, // the test runs it
  backupWaiver: "The server of a test, which ends with its cluster.",
});

/** The server that the operator runs, reached by its Service as a pod reaches it. */
export class ClusterDatabases {
  private host?: Promise<string>;

  constructor(private readonly node: Node) {}

  /** Waits until the operator has the server, the roles and the databases as declared. */
  async healthy(): Promise<void> {
    const all = async (kind: string) => {
      const { items } = await this.node.call("GET", `/apis/postgresql.cnpg.io/v1/namespaces/${namespace}/${kind}`);
      return items as { status?: Status }[];
    };
    const probe = async () => {
      const [[one], made] = await Promise.all([all("clusters"), all("databases")]);
      const byStatus = one?.status?.managedRolesStatus?.byStatus ?? {};
      const reconciled = new Set<string>(byStatus.reconciled ?? []);
      const isMade = made.length > 0 && made.every(({ status }) => status?.applied === true);
      return (
        one?.status?.readyInstances === 1 && isMade && roles.every((role) => reconciled.has(role) || role === "rubin")
      );
    };
    const state = async () => ({
      cluster: (await all("clusters")).map(({ status }) => status),
      databases: (await all("databases")).map(({ status }) => status),
      pods: this.node.list("pods", namespace).map(({ metadata, status }) => [metadata.name, status.phase]),
    });
    await until("CloudNativePG's cluster to be healthy", probe, { pollMs: 1_000, state });
  }

  /** Runs the CronJob of the rights once, as it runs every few minutes. */
  grant(name: string): void {
    const kubectl = (...args: string[]) => this.node.kubectl("--namespace", namespace, ...args);
    const [cronJob] = this.node.list("cronjobs", namespace).map(({ metadata }) => metadata.name as string);
    kubectl("create", "job", name, `--from=cronjob/${cronJob}`);
    try {
      kubectl("wait", "--for=condition=Complete", `job/${name}`, "--timeout=120s");
    } catch (error) {
      throw new Error(this.node.logs(namespace, `job-name=${name}`), { cause: error });
    }
  }

  /** Runs a statement as a role; gives the rows, or the code of the refusal (SQLSTATE). */
  async as(role: Role, database: string, sql: string): Promise<unknown[] | string> {
    const client = new Client({
      host: await (this.host ??= this.address()),
      user: role,
      password: passwordOf(role),
      database,
      connectionTimeoutMillis: 10_000,
      statement_timeout: 10_000,
    });
    try {
      await client.connect();
      return (await client.query(sql)).rows;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined) throw error;
      return code;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private async address(): Promise<string> {
    const { spec } = await this.node.call("GET", `/api/v1/namespaces/${namespace}/services/${cluster}-rw`);
    return spec.clusterIP as string;
  }
}

/** What the operator says of a server or a database; what the test looks at. */
interface Status {
  readonly readyInstances?: number;
  readonly managedRolesStatus?: { readonly byStatus?: { readonly reconciled?: readonly string[] } };
  readonly applied?: boolean;
}
