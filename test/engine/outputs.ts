import { cpSync } from "node:fs";
import { join } from "node:path";
import { stackOutputsSchema } from "../../components/outputs";
import { version } from "../../package.json";
import { type PulumiProject, root } from "../support/pulumi";
import type { Stand } from "./stand";

const example = "docs/examples/stack-reference";

/**
 * Outputs of a stack, and a program of another project that reads them: the example of the documentation.
 * @param get - Where, and whose outputs: a stack `engine` of {@link everything}, applied.
 */
export function outputs(get: () => { stand: Stand; project: PulumiProject }): void {
  describe("its outputs", () => {
    let reader: PulumiProject;
    /** Configures the example. */
    const read = (environment: string, usdfStack = "organization/usdf/engine") =>
      reader.configure({
        "prompt-settings:usdfStack": usdfStack,
        "prompt-settings:environment": environment,
        "prompt-settings:kubeContext": "local",
        "prompt-settings:namespace": "default",
      });

    it("are what the reference says", async () => {
      const found = await get().project.outputs();
      expect(stackOutputsSchema.parse(found)).toEqual(found);
      expect(found).toMatchObject({
        apiVersion: 1,
        versions: { usdf: version },
        embargo: {
          ours: {
            kubeContext: "local",
            namespace: "ours",
            bucket: "engine@engine-raw",
            enqueueUrl: "http://127.0.0.9:8080/notify",
            presenceUrl: "http://127.0.0.9:8080/presence",
            redisEndpoint: "192.0.2.94:6379",
          },
        },
      });
    });

    it("reach another program by a stack reference, as in the example", async () => {
      const { stand, project } = get();
      const folder = join(project.folder, example);
      cpSync(join(root, example), folder, { recursive: true });
      reader = stand.project("reader", { dir: project.stateDir, folder });
      reader.init();
      read("ours");
      await reader.up();
      const settings = stand.cluster.list("configmaps", "default").find(({ metadata }) => metadata.name === "usdf");
      expect(settings.data).toEqual({ RAW_MICROSERVICE: "http://127.0.0.9:8080/presence" });
    });

    it("that an environment does not have fail its preview, which names those that have", async () => {
      read("old");
      const { code, output } = await reader.run("preview");
      expect(code).not.toBe(0);
      expect(output).toContain('Environment "old" has no presence. These have: ours.');
    });

    it("of a stack that has none of these fail it, too", async () => {
      const itself = "organization/prompt-settings/reader";
      read("ours", itself);
      const { code, output } = await reader.run("preview");
      expect(code).not.toBe(0);
      expect(output).toContain(
        `Stack ${itself} has no output apiVersion: it is none of usdf, or was not brought up yet. ` +
          "Correct the name, or run `pulumi up` there first.",
      );
      expect(output).not.toMatch(/^\s+at /m);
    });
  });
}
