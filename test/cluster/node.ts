import { execFile, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { Cluster, definitionsOf, openDefinition, tool, unpackTools } from "../support/cluster";
import { unpackLayers } from "../support/image";
import { until } from "../support/network";
import { cachedTree } from "./cachedTree";
import { podRemains } from "./remains";

const execute = promisify(execFile);

export { missing } from "../support/cluster";

/**
 * A real Kubernetes of one node on this machine: pods run, Services route, cluster DNS answers, Pod Security is enforced.
 * NetworkPolicies are stored and not enforced; there is no load-balancer controller, see {@link balance}, and no image
 * registry, see {@link load}.
 */
export class Node extends Cluster {
  /** Address of the machine at which pods reach what runs on it; the node's own. */
  readonly address = machineAddress();

  /** Starts it, about ten seconds. @param dir - Folder of its state, which {@link down} removes. */
  constructor(dir: string) {
    super(dir, [], ["kafkatopic"]);
  }

  override down(): void {
    const removeRemains = podRemains(this.environment.CLUSTER_DIR!);
    super.down();
    removeRemains();
  }

  /** Brings an image (docker-archive tar) into the node. */
  async load(tar: string): Promise<void> {
    await execute(tool("cluster"), ["load", tar], { env: this.environment });
  }

  /**
   * Puts files into the only layer of an image that was loaded, for all images with that layer that are loaded later. The folder
   * is mounted where the node has unpacked the layer: what is large and always the same need not be copied for each node.
   * @param tree - Folder with the files, as below `/`; nothing changes them.
   */
  async fill(tar: string, tree: string): Promise<void> {
    const read = async (file: string) => JSON.parse((await execute("tar", ["-xOf", tar, file])).stdout) as unknown;
    const [{ Config: config }] = (await read("manifest.json")) as [{ Config: string }];
    const { rootfs } = (await read(config)) as { rootfs: { diff_ids: [string] } };
    const client = ["--address", join(this.environment.CLUSTER_DIR!, "containerd.sock"), "--namespace", "k8s.io"];
    const view = ["snapshots", "view", "--mounts", `filled-${basename(tree)}`, rootfs.diff_ids[0]];
    const [{ Source: unpacked }] = JSON.parse((await execute("ctr", [...client, ...view])).stdout) as [
      { Source: string },
    ];
    await execute("mount", ["--options", "bind,ro", tree, unpacked]); // `cluster down` unmounts what is in its folder
  }

  /** Runs CloudNativePG's operator in the node, with an image of this machine's PostgreSQL for its clusters. */
  async runCloudNativePg(dir: string): Promise<void> {
    const tar = join(dir, "postgresql.tar");
    const options = ["--user", "26:postgres", "--env", "PATH=/usr/lib/postgresql/15/bin:/usr/bin"];
    const image = (to: string, ...more: string[]) => [to, "local/postgresql:15", ...options, ...more];
    await execute(tool("host-image"), image(tar));
    await this.load(tar);
    const version = execFileSync("/usr/lib/postgresql/15/bin/postgres", ["--version"]);
    const tree = cachedTree("postgresql-image", [version, readFileSync(__filename)], (work) => {
      const paths = ["/usr/lib/postgresql/15", "/usr/share/postgresql", "/usr/share/zoneinfo"];
      const copies = paths.flatMap((path) => ["--copy", path]);
      execFileSync(tool("host-image"), image(join(work, "image.tar"), "--tools", ...copies));
      unpackLayers(join(work, "image.tar"), join(work, "files"));
      return join(work, "files");
    });
    await this.fill(tar, tree);
    await execute(tool("cluster"), ["cnpg"], { env: this.environment });
  }

  /**
   * Runs KEDA's operator beside the node. It finds Services by their names as a pod does: the cluster's DNS is that of its own
   * mounts. There it is started without its health server, which would take port 8081 of every address of the machine. Kinds of
   * KEDA that nobody here uses are declared without a schema, since it ends when it cannot watch them.
   */
  async runKeda(dir: string): Promise<void> {
    this.kubectl("apply", "--server-side", "-f", definitionsOf("keda-2.20.2"));
    this.apply(
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "keda" } },
      openDefinition("eventing.keda.sh", "v1alpha1", "CloudEventSource"),
      openDefinition("eventing.keda.sh", "v1alpha1", "ClusterCloudEventSource", "Cluster"),
    );
    const resolver = join(dir, "resolv.conf");
    writeFileSync(resolver, "nameserver 10.96.0.10\nsearch svc.cluster.local cluster.local\noptions ndots:5\n");
    const certificates = join(dir, "keda");
    mkdirSync(certificates);
    const file = (name: string) => join(certificates, name);
    const issue = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      file("tls.key"),
      "-out",
      file("tls.crt"),
    ];
    const subject = ["-subj", "/CN=keda", "-addext", "subjectAltName=DNS:keda-operator.keda.svc"];
    await execute("openssl", [...issue, "-days", "30", ...subject]);
    for (const kind of ["key", "crt"]) copyFileSync(file(`tls.${kind}`), file(`ca.${kind}`));
    const flags = [
      `--kubeconfig=${this.kubeconfig}`,
      `--cert-dir=${certificates}`,
      `--ca-dir=${certificates}`,
      "--enable-prometheus-metrics=false",
      "--health-probe-bind-address=0",
    ];
    const operator = join(unpackTools(), "keda-operator");
    const own = ["sh", "-c", 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh", resolver];
    const log = join(dir, "keda.log");
    const child = spawn("unshare", ["--mount", "--propagation", "private", ...own, operator, ...flags], {
      env: {
        ...this.environment,
        POD_NAMESPACE: "keda",
        POD_NAME: "keda-operator",
        KEDA_CLUSTER_OBJECT_NAMESPACE: "keda",
        WATCH_NAMESPACE: "",
      },
      stdio: ["ignore", openSync(log, "w"), openSync(log, "a")],
    });
    writeFileSync(join(this.environment.CLUSTER_DIR!, "keda.pid"), String(child.pid)); // `cluster down` ends it
    const started = '"Starting workers","controller":"scaledjob"';
    await until("KEDA", async () => readFileSync(log, "utf8").includes(started), {
      state: async () => readFileSync(log, "utf8").split("\n").slice(-5),
    });
  }

  /**
   * Gives every load balancer that has no address its own ClusterIP as address: from the machine a ClusterIP answers,
   * so what is published there is what a client reaches.
   */
  async balance(): Promise<void> {
    for (const { metadata, spec, status } of (await this.call("GET", "/api/v1/services")).items) {
      if (spec.type !== "LoadBalancer" || status.loadBalancer?.ingress) continue;
      await this.report("services", metadata, { loadBalancer: { ingress: [{ ip: spec.clusterIP }] } });
    }
  }

  /** Log of a container, its earlier run included where there was one; for messages of failed tests. */
  logs(namespace: string, selector: string, tail = 40): string {
    const args = ["logs", "--namespace", namespace, "--selector", selector, "--all-containers", "--prefix"];
    return this.kubectl(...args, `--tail=${tail}`);
  }
}

/** Address of this machine that the node takes as its own, and pods reach: the first one. */
export function machineAddress(): string {
  const [first] = execFileSync("hostname", ["-I"], { encoding: "utf8" }).trim().split(/\s+/);
  if (!first) throw new Error("This machine has no address beside its loopback: pods could reach nothing on it.");
  return first;
}
