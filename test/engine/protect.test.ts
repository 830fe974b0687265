/** What holds data is protected: taking it out of the declaration changes nothing, until it is freed by hand. */
import { join } from "node:path";
import { testFolder } from "../support/network";
import { PulumiProject } from "../support/pulumi";
import { ControlPlane, missing } from "./controlPlane";

jest.setTimeout(400_000);
if (missing) console.warn(`engine tier skipped: ${missing}`);

(missing ? describe.skip : describe)("usdf:platform.protectData", () => {
  const { dir, remove } = testFolder("protect");
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
