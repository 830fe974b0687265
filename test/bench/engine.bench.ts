import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ControlPlane, missing } from "../engine/controlPlane";
import { contextsOf, declared } from "../engine/stacks";
import { testFolder } from "../support/network";
import { PulumiProject } from "../support/pulumi";
import { type BenchResult, byTurns, timedMs } from "./harness";

/**
 * `pulumi preview` of the whole stack dev, by the real CLI and provider against a real API server; beside it that of a program
 * that declares nothing.
 */
export async function bench(): Promise<BenchResult[]> {
  if (missing) throw new Error(missing);
  const { dir, remove } = testFolder("bench-engine");
  let cluster: ControlPlane | undefined;
  try {
    cluster = new ControlPlane(join(dir, "cluster"), contextsOf("dev"));
    const environment = { KUBECONFIG: cluster.kubeconfig };
    const dev = new PulumiProject({ dir: join(dir, "dev"), stack: "dev", environment });
    dev.configure(declared("dev", "http://127.0.0.1:7480")); // a preview asks no gateway
    const bareDir = join(dir, "bare");
    mkdirSync(join(bareDir, "project"), { recursive: true });
    writeFileSync(join(bareDir, "project/index.ts"), "export {};\n");
    const bare = new PulumiProject({ dir: bareDir, stack: "bare", environment, own: ["index.ts"] });
    const seconds = async (project: PulumiProject) => (await timedMs(() => project.mustRun("preview"))) / 1000;
    for (const project of [dev, bare]) await project.init();
    return [
      {
        name: "pulumi preview of stack dev",
        unit: "s",
        ...(await byTurns(3, () => seconds(dev), () => seconds(bare))), // prettier-ignore
        bareAbout: "the same of an empty program",
        bound: { atMost: 15 },
      },
    ];
  } finally {
    cluster?.down();
    remove();
  }
}
