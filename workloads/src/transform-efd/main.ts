import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { ConfigError } from "../lib/contract";
import { serveHttp } from "../lib/http";
import { Database } from "../lib/postgres";
import { runWorkload } from "../lib/process";
import { type Column, ColumnsError, faultText, loadColumns } from "./columns";
import { transformEfdContract } from "./contract";
import type { EfdClient } from "./model";
import { type Options, placesOf, readOptions } from "./options";
import { migrateQueue, TaskQueue } from "./queue";
import { efdClientOf, legacyOf } from "./reading";
import { findRegistry, Registry } from "./records";
import { columnsLeftOut, run, RunFailedError } from "./run";
import { migrateOutput, Secondaries } from "./store";
import { summarise } from "./window";

runWorkload(
  transformEfdContract,
  async ({ env, log, stop, closers }) => {
    const begunAtMs = Date.now();
    const { mode, databases, INSTRUMENT: instrument, BUTLER_REPO: repo } = env;
    log.info(
      { mode: mode.name, instrument, repo, timedelta_min: env.TIMEDELTA, timewindow_min: env.TIMEWINDOW },
      "execution_config",
    );
    const { columns, faults, notes } = await loadColumns(env.CONFIG_FILE, instrument).catch((error: unknown) => {
      throw error instanceof ColumnsError ? new ConfigError(transformEfdContract.name, [error.message]) : error;
    });
    for (const note of notes) log.warn({ note: faultText(note) }, "column_looks_wrong");
    for (const fault of faults) log.error({ fault: faultText(fault) }, "column_left_out");
    columnsLeftOut.set(faults.length);
    const registryPlace = await findRegistry(env, process.env);

    const http = await serveHttp({ host: env.HTTP_HOST, port: env.HTTP_PORT, log });
    closers.add("HTTP server", http, (server) => server.close());
    const owner = `${env.POD_NAME ?? hostname()} ${randomUUID().slice(0, 8)}`;
    const connection = { log, applicationName: `transform-efd ${owner}`.slice(0, 63) };
    const open = (url: string, attempts?: number) =>
      closers.add("database", new Database(url, { ...connection, attempts }), (database) => database.close());
    const database = open(databases.primary);
    // One that is away must not hold up tasks: what it lacks is noted, and the next run tries again.
    const others = databases.secondaries.map((url) => open(url, 1));
    log.info({ primary: database.name, secondaries: others.map(({ name }) => name) }, "db_targets_configured");

    const { output: schema, tasks } = placesOf(instrument);
    await migrateQueue(database, tasks);
    const added = await migrateOutput(database, schema, columns);
    if (added.length > 0) log.info({ schema, added }, "columns_added");
    const { LEASE: leaseSeconds, CRON_MARGIN: marginSeconds } = env;
    const queue = new TaskQueue(database, { instrument: tasks, repo, owner, leaseSeconds, marginSeconds });
    const records = closers.add("registry", new Registry(registryPlace, instrument, connection), (it) => it.close());
    const parts = {
      database,
      queue,
      records,
      secondaries: new Secondaries(database, others, { instrument: tasks, schema, columns, log }),
      schema,
      summarise: summariser(
        env,
        columns,
        closers.add("EFD", efdClientOf(env, log), (it) => it.close()),
      ),
      leaseSeconds,
      marginSeconds,
      monitorDays: env.MONITOR_WINDOW_DAYS,
      windows: {
        instrument: tasks,
        repo,
        intervalMinutes: env.TIMEDELTA,
        timewindowMinutes: env.TIMEWINDOW,
      },
      log,
    };
    const report = await run(mode, parts, stop);
    process.stdout.write(`${JSON.stringify(report)}\n`);
    log.info({ duration: (Date.now() - begunAtMs) / 1000 }, "runtime");
    if (faults.length > 0 && !stop.aborted)
      throw new RunFailedError(`${faults.length} columns of the configuration were left out; the others are stored.`);
  },
  () => readOptions(process.argv.slice(2), process.env),
);

function summariser(env: Options, columns: readonly Column[], client: EfdClient) {
  return (records: Parameters<typeof summarise>[0], signal: AbortSignal) =>
    summarise(records, columns, client, { legacy: legacyOf(env), signal });
}
