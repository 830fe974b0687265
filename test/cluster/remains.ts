/** What pods leave on the machine beside the cluster's folder: `cluster down` ends their processes, and who would remove this is gone. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

/** Folders of the machine that pods of all clusters share. */
export interface SharedFolders {
  /** What network plugins remember of each sandbox. */
  readonly networks: string;
  /** Links to the logs of containers. */
  readonly logs: string;
}

const ofMachine: SharedFolders = { networks: "/var/lib/cni/results", logs: "/var/log/containers" };

/**
 * Names what the pods of a cluster leave behind; asked before it goes down, since containerd's folder says which pods are its own.
 * @param dir - Folder of the cluster's state.
 * @returns Removes it, once the pods' processes have ended. @throws Error there when something stays.
 */
export function podRemains(dir: string, shared: SharedFolders = ofMachine): () => void {
  const state = join(dir, "containerd/root/io.containerd.grpc.v1.cri");
  const [sandboxes, containers] = [join(state, "sandboxes"), join(state, "containers")].map(namesIn) as [Names, Names];
  const results = [...namesIn(shared.networks)].filter((name) =>
    sandboxes.has(/-([0-9a-f]{64})-/.exec(name)?.[1] ?? ""),
  );
  const files = results.map((name) => join(shared.networks, name));
  const networks = new Set(files.flatMap((file) => /"sandbox":"([^"]+)"/.exec(readFileSync(file, "utf8"))?.[1] ?? []));
  const links = [...namesIn(shared.logs)].filter((name) =>
    containers.has(/-([0-9a-f]{64})\.log$/.exec(name)?.[1] ?? ""),
  );
  const logs = links.map((name) => join(shared.logs, name));
  const pods = new Set(logs.map((link) => dirname(dirname(readlinkSync(link)))));
  return () => {
    // A network ends with its last mount. Lazily: a process that still ends may look at it.
    const mounted = [...networks].filter((network) => existsSync(network));
    if (mounted.length > 0) spawnSync("umount", ["--lazy", "--quiet", ...mounted]);
    for (const path of [...networks, ...files, ...logs, ...pods]) rmSync(path, { recursive: true, force: true });
  };
}

type Names = ReadonlySet<string>;

const namesIn = (folder: string): Names => new Set(existsSync(folder) ? readdirSync(folder) : []);
