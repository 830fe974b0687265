import { adoptProcess, isAlive, type ProcessId, type RunningProcess } from "../process";
import { readJson, writeJson } from "../state";

/** A process that the supervisor started. */
export interface ProcessRecord extends ProcessId {
  /** Digest of what it was started with. */
  readonly hash: string;
  readonly logFile: string;
}

/**
 * The processes of this checkout, on disk: a supervisor that was killed leaves its children running, and the next one (or
 * `usdf down`) finds them here.
 */
export class ProcessRegistry {
  private readonly records: Map<string, ProcessRecord>;

  constructor(private readonly file: string) {
    const all = Object.entries(readJson<Record<string, ProcessRecord>>(file, {}));
    this.records = new Map(all.filter(([, record]) => isAlive(record)));
  }

  keys(): string[] {
    return [...this.records.keys()];
  }

  get(key: string): ProcessRecord | undefined {
    return this.records.get(key);
  }

  set(key: string, { pid, startTicks, logFile }: RunningProcess, hash: string): void {
    this.records.set(key, { pid, startTicks, logFile, hash });
    this.save();
  }

  /** Forgets a process, unless the key has a newer one. */
  remove(key: string, { pid }: ProcessId): void {
    if (this.records.get(key)?.pid !== pid) return;
    this.records.delete(key);
    this.save();
  }

  /** Takes over the process of that key when it runs with that digest; one with another digest is stopped. */
  async adopt(key: string, hash: string, graceMs: number): Promise<RunningProcess | undefined> {
    const record = this.records.get(key);
    if (!record) return undefined;
    const running = adoptProcess(key, record, record.logFile);
    if (running && record.hash === hash) return running;
    await running?.stop(graceMs);
    this.remove(key, record);
    return undefined;
  }

  /** Stops all processes whose key does not satisfy `keep`: pods first, then what they stand on, top down. */
  async sweep(keep: (key: string) => boolean, graceMs = 30_000): Promise<void> {
    const strays = [...this.records].filter(([key]) => !keep(key));
    for (const layer of layers) {
      const own = strays.filter(([key]) => layersOf(key) === layer);
      await Promise.all(
        own.map(async ([key, record]) => {
          await adoptProcess(key, record, record.logFile)?.stop(graceMs);
          this.remove(key, record);
        }),
      );
    }
  }

  private save(): void {
    writeJson(this.file, Object.fromEntries(this.records));
  }
}

/** The order in which to stop: an osd still needs its mon to say good-bye, and Redis goes after those who write to it. */
const layers = [/^pod\/(?!.*redis)/, /^pod\//, /\/(radosgw|kafka|postgres|influxdb)$/, /\/osd$/, /./] as const;

function layersOf(key: string): RegExp {
  return layers.find((layer) => layer.test(key))!;
}
