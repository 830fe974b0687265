import { existsSync, readdirSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { State } from "../state";

export interface LogFile {
  /** `namespace/pod` or `namespace/pod/container`, name of a service (`rgw/osd`), or `supervisor`. */
  readonly source: string;
  readonly file: string;
}

/** All logs of a checkout: pods first, then services, then the supervisor. */
export function logFiles(state: State): LogFile[] {
  const namespaces = foldersIn(state.path("logs"));
  const folders = namespaces.flatMap((namespace) =>
    foldersIn(state.path("logs", namespace)).map((pod) => `${namespace}/${pod}`),
  );
  const pods = folders.flatMap((pod) => {
    const files = logsIn(state.path("logs", pod));
    return files.map((name) => ({
      source: files.length === 1 ? pod : `${pod}/${name}`,
      file: state.path("logs", pod, `${name}.log`),
    }));
  });
  const services = foldersIn(state.path("services")).flatMap((service) => {
    const names = logsIn(state.path("services", service));
    return names.map((name) => ({
      source: name === service ? service : `${service}/${name}`,
      file: state.path("services", service, `${name}.log`),
    }));
  });
  const supervisor = { source: "supervisor", file: state.path("logs", "supervisor.log") };
  return [...pods, ...services, ...(existsSync(supervisor.file) ? [supervisor] : [])];
}

/** Tells each line that is added to a file from now on; starts anew when the file is put aside. Ends when told to. */
export async function followFile(file: string, tell: (line: string) => void, stop: AbortSignal): Promise<void> {
  let position = (await stat(file)).size;
  let rest = "";
  while (!stop.aborted) {
    const size = await stat(file).then((stats) => stats.size, () => 0); // prettier-ignore
    if (size < position) position = 0;
    if (size > position) {
      const handle = await open(file);
      const bytes = Math.min(size - position, 2 ** 20);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
      await handle.close();
      position += bytesRead;
      const lines = (rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
      rest = lines.pop()!;
      lines.forEach(tell);
    } else await sleep(200, undefined, { signal: stop }).catch(() => {});
  }
}

function foldersIn(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

function logsIn(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(".log"))
    .map((name) => name.slice(0, -".log".length))
    .filter((name) => existsSync(join(dir, `${name}.log`)))
    .sort();
}
