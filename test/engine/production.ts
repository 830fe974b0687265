import type { PulumiProject } from "../support/pulumi";
import type { Stand } from "./stand";

/** What watches over a stack in production: the protection of what holds data. */
export function production(get: () => Stand): void {
  describe("a stack in production", () => {
    let project: PulumiProject;
    const kept = {
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
      get()
        .cluster.list("deployments,statefulsets,persistentvolumeclaims", "kept")
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
        .sort();

    it("lets nothing be deleted when an environment is taken out, and says what is protected", async () => {
      project = get().project("protected");
      project.init();
      configure({ kept });
      await project.up();
      const before = objects();
      expect(before).toEqual(expect.arrayContaining(["StatefulSet redis", "PersistentVolumeClaim sdf-data"]));
      configure({});
      // With --skip-preview, what is not protected would be gone before the engine comes to what is.
      const { code, output } = await project.run("up", "--yes");
      expect(code).not.toBe(0);
      expect(output).toMatch(/StatefulSet::kept-redis" cannot be deleted\s+because it is protected/);
      expect(objects()).toEqual(before);
    });

    it("lets it go once it is freed, but keeps namespace and volumes", async () => {
      const { resources = [] } = project.state().deployment;
      const isProtected = (kind: string) =>
        resources.some(({ type, protect }) => protect === true && type.endsWith(`:${kind}`));
      const holding = ["Namespace", "StatefulSet", "PersistentVolumeClaim"];
      expect(holding.filter(isProtected)).toEqual(holding);
      await project.mustRun("state", "unprotect", "--all", "--yes");
      await project.up();
      expect(objects()).toEqual(["PersistentVolumeClaim data-redis-0", "PersistentVolumeClaim sdf-data"]);
      expect(get().cluster.kubectl("get", "namespace", "kept", "-o", "name")).toBe("namespace/kept\n");
    });
  });
}
