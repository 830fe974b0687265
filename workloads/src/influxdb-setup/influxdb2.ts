import type { Changes } from "../lib/changes";
import { type DesiredState, retentionPolicy } from "./contract";
import { tasksOf } from "./tasks";
import type { InfluxdbClient, Login } from "../lib/influxdb";

/** Marks authorizations and tasks that are ours: one that is declared no more goes. */
const ours = "Declared by usdf";

/** Most entries of a kind; more would mean that paging runs in a circle. */
const maxEntries = 50_000;

export interface Influxdb2Settings {
  readonly org: string;
  readonly adminUsername: string;
  readonly adminPassword: string;
  readonly adminToken: string;
  /** Passwords by user. */
  readonly passwords: ReadonlyMap<string, string>;
}

interface Bucket {
  readonly id: string;
  readonly name: string;
  readonly type: "user" | "system";
  readonly retentionRules: { everySeconds: number; shardGroupDurationSeconds?: number }[];
}
interface Dbrp {
  readonly id: string;
  readonly database: string;
  readonly retention_policy: string;
  readonly default: boolean;
  readonly bucketID: string;
  readonly virtual?: boolean;
}
interface Authorization {
  readonly id: string;
  /** Of a login of 1.x: its user's name. */
  readonly token: string;
  readonly status: string;
  readonly description?: string;
  readonly permissions: { action: string; resource: { type: string; id?: string } }[];
}
interface Task {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly flux: string;
  readonly status: string;
  readonly lastRunStatus?: string;
  readonly lastRunError?: string;
}

/** Makes an InfluxDB 2 what is declared. @throws InfluxdbError when it does not answer or the token is not an operator's. */
export async function setUpInfluxdb2(
  server: InfluxdbClient,
  state: DesiredState,
  settings: Influxdb2Settings,
  changes: Changes,
): Promise<void> {
  const login = { token: settings.adminToken };
  if (!(await onboard(server, state, settings, changes))) return;
  const { orgs } = await server.request<{ orgs: { id: string }[] }>(
    "GET",
    `/api/v2/orgs?org=${encodeURIComponent(settings.org)}`,
    undefined,
    login,
  );
  const setUp = new SetUp(server, login, orgs[0]!.id, state, settings, changes);
  const buckets = await setUp.buckets();
  await setUp.databases(buckets);
  await setUp.users(buckets);
  await setUp.tasks();
}

/** The first run makes organisation, administrator and token. @returns whether there is something to look into. */
async function onboard(server: InfluxdbClient, state: DesiredState, settings: Influxdb2Settings, changes: Changes) {
  const { allowed } = await server.request<{ allowed: boolean }>("GET", "/api/v2/setup");
  if (!allowed) return true;
  const { org, adminUsername: username, adminPassword: password, adminToken: token } = settings;
  const { name, retentionSeconds } = state.buckets[0]!;
  const body = { username, password, token, org, bucket: name, retentionPeriodSeconds: retentionSeconds };
  const made = await changes.make(`organisation ${org} made, with administrator ${username}`, () =>
    server.request<object>("POST", "/api/v2/setup", body),
  );
  return made !== undefined;
}

class SetUp {
  constructor(
    private readonly server: InfluxdbClient,
    private readonly login: Login,
    private readonly orgID: string,
    private readonly state: DesiredState,
    private readonly settings: Influxdb2Settings,
    private readonly changes: Changes,
  ) {}

  /** @returns ids of the declared buckets by name. */
  async buckets(): Promise<Map<string, string>> {
    const found = await this.paged<Bucket>("buckets", 100);
    const ids = new Map<string, string>();
    for (const wanted of this.state.buckets) {
      const { name, retentionSeconds, shardGroupSeconds } = wanted;
      const rule = { type: "expire", everySeconds: retentionSeconds, shardGroupDurationSeconds: shardGroupSeconds };
      const bucket = found.find((one) => one.name === name);
      if (bucket === undefined) {
        const body = { orgID: this.orgID, name, retentionRules: [rule] };
        const made = await this.changes.make(`bucket ${name} made`, () => this.ask<Bucket>("POST", "/buckets", body));
        if (made) ids.set(name, made.id);
        continue;
      }
      ids.set(name, bucket.id);
      const { everySeconds = 0, shardGroupDurationSeconds } = bucket.retentionRules[0] ?? {};
      if (everySeconds === retentionSeconds && shardGroupDurationSeconds === shardGroupSeconds) continue;
      if (refusesShorter(wanted, everySeconds, this.changes)) continue;
      await this.changes.make(
        `bucket ${name}: retention ${spanText(everySeconds)} -> ${spanText(retentionSeconds)}, ` +
          `shards ${shardGroupDurationSeconds} s -> ${shardGroupSeconds} s`,
        () => this.ask("PATCH", `/buckets/${bucket.id}`, { retentionRules: [rule] }),
      );
    }
    for (const { name, type } of found)
      if (type === "user" && !this.state.buckets.some((one) => one.name === name))
        this.changes.orphan(`bucket ${name}`);
    return ids;
  }

  /** Each bucket is a database of 1.x, so that `"efd"."autogen"` of the EFD's clients is answered. */
  async databases(buckets: ReadonlyMap<string, string>): Promise<void> {
    const { content = [] } = await this.ask<{ content?: Dbrp[] }>("GET", `/dbrps?orgID=${this.orgID}`);
    for (const [name, bucketID] of buckets) {
      const there = content.filter((one) => one.database === name && one.virtual !== true);
      const same = there.find((one) => one.retention_policy === retentionPolicy);
      if (same?.bucketID === bucketID && same.default) continue;
      const body = { orgID: this.orgID, bucketID, database: name, retention_policy: retentionPolicy, default: true };
      await this.changes.make(`database ${name} with retention policy ${retentionPolicy}: bucket ${name}`, async () => {
        // An entry's bucket cannot be changed.
        if (same) await this.ask("DELETE", `/dbrps/${same.id}?orgID=${this.orgID}`);
        await this.ask("POST", "/dbrps", body);
      });
    }
  }

  /** Users as 1.x knows them, each with exactly its rights. */
  async users(buckets: ReadonlyMap<string, string>): Promise<void> {
    const legacy = "/private/legacy/authorizations";
    const list = await this.server.request<{ authorizations?: Authorization[] }>(
      "GET",
      `${legacy}?orgID=${this.orgID}`,
      undefined,
      this.login,
    );
    const found = list.authorizations ?? [];
    for (const { name, reads, writes } of this.state.users) {
      const wanted = [
        ...reads.map((bucket) => ["read", buckets.get(bucket)] as const),
        ...writes.map((bucket) => ["write", buckets.get(bucket)] as const),
      ];
      const password = this.settings.passwords.get(name)!;
      const there = found.find(({ token }) => token === name);
      if (wanted.some(([, id]) => id === undefined)) {
        this.changes.fault(`user ${name}: a bucket of it is not there, so its rights stay as they are`);
        continue;
      }
      const permissions = wanted.map(([action, id]) => ({
        action,
        resource: { type: "buckets", id: id!, orgID: this.orgID },
      }));
      const setPassword = (id: string) =>
        this.server.request("POST", `${legacy}/${id}/password`, { password }, this.login);
      if (there?.status === "active" && sameRights(there.permissions, permissions)) {
        if (!(await this.server.knows(name, password)))
          await this.changes.make(`user ${name}: password set`, () => setPassword(there.id));
        continue;
      }
      const rights = `reads ${reads.join(", ") || "nothing"}, writes ${writes.join(", ") || "nothing"}`;
      await this.changes.make(`user ${name} ${there ? "made anew" : "made"}: ${rights}`, async () => {
        // The rights of an authorization cannot be changed.
        if (there) await this.server.request("DELETE", `${legacy}/${there.id}`, undefined, this.login);
        const body = { token: name, orgID: this.orgID, permissions, description: ours };
        const { id } = await this.server.request<{ id: string }>("POST", legacy, body, this.login);
        await setPassword(id);
      });
    }
    for (const { id, token, description } of found) {
      if (this.state.users.some(({ name }) => name === token)) continue;
      if (description !== ours) this.changes.orphan(`user ${token}`);
      else
        await this.changes.make(`user ${token} removed, which is declared no more`, () =>
          this.server.request("DELETE", `${legacy}/${id}`, undefined, this.login),
        );
    }
  }

  async tasks(): Promise<void> {
    const found = await this.paged<Task>("tasks", 500);
    const declared = tasksOf(this.state);
    for (const { name, flux } of declared) {
      const there = found.find((one) => one.name === name);
      const body = { flux, status: "active", description: ours };
      if (there === undefined)
        await this.changes.make(`task ${name} made`, () => this.ask("POST", "/tasks", { ...body, orgID: this.orgID }));
      else if (there.flux !== flux || there.status !== "active" || there.description !== ours)
        await this.changes.make(`task ${name} changed`, () => this.ask("PATCH", `/tasks/${there.id}`, body));
      else if (there.lastRunStatus === "failed")
        this.changes.fault(`task ${name} failed at its last run: ${there.lastRunError ?? "no reason given"}`);
    }
    for (const { id, name, description } of found) {
      if (declared.some((one) => one.name === name)) continue;
      if (description !== ours) this.changes.orphan(`task ${name}`);
      else
        await this.changes.make(`task ${name} removed, which is declared no more`, () =>
          this.ask("DELETE", `/tasks/${id}`),
        );
    }
  }

  /** All entries of a kind. */
  private async paged<T extends { id: string }>(kind: "buckets" | "tasks", limit: number): Promise<T[]> {
    const all: T[] = [];
    while (all.length < maxEntries) {
      const after = all.length > 0 ? `&after=${all.at(-1)!.id}` : "";
      const page = await this.ask<Record<string, T[]>>("GET", `/${kind}?orgID=${this.orgID}&limit=${limit}${after}`);
      all.push(...page[kind]!);
      if (page[kind]!.length < limit) break;
    }
    return all;
  }

  private ask<T>(method: string, path: string, body?: object): Promise<T> {
    return this.server.request<T>(method, `/api/v2${path}`, body, this.login);
  }
}

type Permissions = Authorization["permissions"];

function sameRights(left: Permissions, right: Permissions): boolean {
  const text = (permissions: Permissions) =>
    [...new Set(permissions.map(({ action, resource }) => `${action} ${resource.type} ${resource.id}`))].sort().join();
  return text(left) === text(right);
}

/** A retention that would delete points is refused unless that bucket says so. */
export function refusesShorter(
  { name, retentionSeconds, allowShorterRetention }: DesiredState["buckets"][number],
  isSeconds: number,
  changes: Changes,
): boolean {
  const shortens = retentionSeconds !== 0 && (isSeconds === 0 || retentionSeconds < isSeconds);
  if (!shortens || allowShorterRetention) return false;
  changes.fault(
    `bucket ${name} keeps points for ${spanText(isSeconds)}; ${spanText(retentionSeconds)} as declared would delete older ones. ` +
      "Set allowShorterRetention for it, or declare what it has",
  );
  return true;
}

function spanText(seconds: number): string {
  return seconds === 0 ? "infinite" : `${seconds} s`;
}
