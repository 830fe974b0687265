import { execFileSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testFolder } from "../support/network";
import { missing } from "./node";
import { podRemains } from "./remains";

(missing ? describe.skip : describe)("what pods of a cluster leave behind", () => {
  const { dir, remove } = testFolder("remains");
  const networks: string[] = [];
  afterAll(() => {
    for (const name of networks) if (existsSync(`/run/netns/${name}`)) execFileSync("ip", ["netns", "delete", name]);
    remove();
  });
  const shared = { networks: join(dir, "results"), logs: join(dir, "logs") };

  /** A pod's network, log and whatever else; a cluster has its containers and sandbox where `state` is. */
  function pod(name: string, state?: string): string[] {
    const id = createHash("sha256").update(name).digest("hex");
    const network = `cni-${randomUUID()}`;
    networks.push(network);
    execFileSync("ip", ["netns", "add", network]);
    const folders = ["sandboxes", "containers"].map((kind) => join(state ?? dir, kind, id));
    const log = join(dir, "pods", name);
    for (const folder of [shared.networks, shared.logs, join(log, "main"), ...(state ? folders : [])])
      mkdirSync(folder, { recursive: true });
    const [result, link] = [join(shared.networks, `local-${id}-eth0`), join(shared.logs, `${name}_main-${id}.log`)];
    writeFileSync(result, JSON.stringify({ result: { interfaces: [{ sandbox: `/var/run/netns/${network}` }] } }));
    writeFileSync(join(log, "main", "0.log"), "");
    symlinkSync(join(log, "main", "0.log"), link);
    return [`/run/netns/${network}`, result, log];
  }

  it("goes with it, and what another cluster's pods have stays", () => {
    const own = pod("own", join(dir, "cluster/containerd/root/io.containerd.grpc.v1.cri"));
    const other = pod("other");
    podRemains(join(dir, "cluster"), shared)();
    expect(own.filter((path) => existsSync(path))).toEqual([]);
    expect(other.filter((path) => existsSync(path))).toEqual(other);
  });

  it("is nothing where a cluster ended before it had a pod", () => {
    expect(podRemains(join(dir, "none"), shared)).not.toThrow();
  });
});
