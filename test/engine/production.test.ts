/** What watches over a stack in production: the daily look for drift, and the protection of what holds data. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { testFolder } from "../support/network";
import { PulumiProject, root } from "../support/pulumi";
import { ControlPlane, missing } from "./controlPlane";

jest.setTimeout(400_000);
if (missing) console.warn(`engine tier skipped: ${missing}`);

(missing ? describe.skip : describe)("a stack in production", () => {
  const { dir, remove } = testFolder("production");
  let cluster: ControlPlane | undefined;
  let project: PulumiProject;
  const summit = {
    bucket: "rubin-summit",
    profile: "embargo",
    butlerRepo: "s3://embargo@rubin-summit-users/butler.yaml",
    ingest: { volumes: { "sdf-data": { mountPath: "/sdf/data", storageClass: "sdf-data" } } },
  };
  const configure = (environments: object) =>
    project.configure({
      "usdf:platform": { protectData: true, monitoring: { enabled: false } },
      "usdf:embargo": { kubeContext: "local", environments },
    });
  const objects = () =>
    cluster!
      .list("deployments,statefulsets,persistentvolumeclaims,namespaces")
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
      .sort();

  beforeAll(async () => {
    cluster = new ControlPlane(join(dir, "cluster"));
    project = new PulumiProject({
      dir,
      stack: "protected",
      environment: { KUBECONFIG: cluster.kubeconfig },
      meanwhile: () => cluster!.settle(),
    });
    await project.init();
    configure({ summit });
    await project.up();
  });
  afterAll(() => {
    cluster?.down();
    remove();
  });

  it("is compared with what runs: nothing is said of what is as declared, an issue tells of a scaled Deployment", () => {
    const bin = join(dir, "bin");
    mkdirSync(bin);
    writeFileSync(
      join(bin, "gh"),
      `#!/bin/sh\n[ "$1 $2" = "issue create" ] || exit 0\nfor word; do file=$word; done\ncp "$file" "${dir}/issue"\n`,
    );
    chmodSync(join(bin, "gh"), 0o755);
    const { PATH, ...environment } = project.environment;
    const drift = () =>
      spawnSync("bash", [join(root, ".github/drift.sh")], {
        cwd: project.folder,
        env: {
          ...environment,
          PATH: [bin, PATH].join(delimiter),
          STACK: "protected",
          RUN_URL: "https://example.org/1",
        },
        encoding: "utf8",
        timeout: 120_000,
      });
    const same = drift();
    expect([same.status, same.stderr]).toEqual([0, ""]);
    cluster!.kubectl("--namespace", "summit", "scale", "deployment", "embargo-butler-idle", "--replicas=3");
    const drifted = drift();
    expect([drifted.status, drifted.stderr]).toEqual([1, expect.stringContaining("Stack protected has drifted")]);
    const issue = readFileSync(join(dir, "issue"), "utf8");
    expect(issue).toMatch(/Deployment::summit-idle/);
    expect(issue).toMatch(/~ replicas: 3 => 1|replicas\s*: 3 => 1/);
    cluster!.kubectl("--namespace", "summit", "scale", "deployment", "embargo-butler-idle", "--replicas=1");
  });

  it("lets nothing be deleted when an environment is taken out, and says what is protected", async () => {
    const before = objects();
    expect(before).toEqual(
      expect.arrayContaining(["Namespace summit", "StatefulSet redis", "PersistentVolumeClaim sdf-data"]),
    );
    configure({});
    // With --skip-preview, what is not protected would be gone before the engine comes to what is.
    for (const command of [["preview"], ["up", "--yes"]]) {
      const { code, output } = await project.run(...command);
      expect(code).not.toBe(0);
      expect(output).toMatch(/StatefulSet::summit-redis" cannot be deleted\s+because it is protected/);
    }
    expect(objects()).toEqual(before);
  });

  it("lets it go once it is freed, but keeps namespace and volumes", async () => {
    const urns = (await project.mustRun("stack", "--show-urns")).match(/urn:pulumi:\S+/g)!;
    const kinds = /:(Namespace|StatefulSet|PersistentVolumeClaim)::/;
    for (const urn of urns.filter((one) => kinds.test(one))) await project.mustRun("state", "unprotect", urn, "--yes");
    await project.up();
    expect(objects().filter((object) => /^(Deployment|StatefulSet)/.test(object))).toEqual([]);
    expect(objects()).toEqual(expect.arrayContaining(["Namespace summit", "PersistentVolumeClaim sdf-data"]));
  });
});
