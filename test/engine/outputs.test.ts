/** Outputs of a stack through the real engine, and a program of another project that reads them. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { stackOutputsSchema } from "../../components/outputs";
import { version } from "../../package.json";
import { testFolder } from "../support/network";
import { PulumiProject, root } from "../support/pulumi";
import { ControlPlane, missing } from "./controlPlane";

jest.setTimeout(300_000);
if (missing) console.warn(`engine tier skipped: ${missing}`);

const example = "docs/examples/stack-reference";

(missing ? describe.skip : describe)("outputs through the engine", () => {
  const { dir, remove } = testFolder("outputs");
  let cluster: ControlPlane;
  let project: PulumiProject;
  let reader: PulumiProject;

  beforeAll(async () => {
    cluster = new ControlPlane(join(dir, "cluster"));
    const options = { dir, environment: { KUBECONFIG: cluster.kubeconfig }, meanwhile: () => cluster.settle() };
    project = new PulumiProject({ ...options, stack: "outputs" });
    const environment = { bucket: "rubin-summit", profile: "embargo", butlerRepo: "s3://embargo@users/butler.yaml" };
    project.configure({
      "usdf:embargo": {
        kubeContext: "local",
        environments: { ours: { ...environment, presence: {} }, silent: environment },
      },
    });
    cpSync(join(root, example), join(project.folder, example), { recursive: true });
    reader = new PulumiProject({ ...options, stack: "reader", folder: join(project.folder, example) });
    await project.init();
    await reader.init();
  });
  afterAll(() => {
    cluster?.down();
    remove();
  });

  /** Configures the example. */
  const read = (usdfStack: string, environment = "ours") =>
    reader.configure({
      "prompt-settings:usdfStack": usdfStack,
      "prompt-settings:environment": environment,
      "prompt-settings:kubeContext": "local",
      "prompt-settings:namespace": "default",
    });

  it("of a stack that was never brought up fail the preview of who reads them", async () => {
    read("organization/usdf/outputs");
    const { code, output } = await reader.run("preview");
    expect(code).not.toBe(0);
    expect(output).toContain(
      "Stack organization/usdf/outputs has no output apiVersion: it is none of usdf, or was not brought up yet. " +
        "Correct the name, or run `pulumi up` there first.",
    );
    expect(output).not.toMatch(/^\s+at /m);
  });

  it("are what the reference says", async () => {
    await project.up();
    const outputs = await project.outputs();
    expect(stackOutputsSchema.parse(outputs)).toEqual(outputs);
    expect(outputs).toMatchObject({
      apiVersion: 1,
      versions: { usdf: version },
      embargo: {
        ours: {
          kubeContext: "local",
          namespace: "ours",
          bucket: "embargo@rubin-summit",
          enqueueUrl: "http://127.0.0.9:8080/notify",
          presenceUrl: "http://127.0.0.9:8080/presence",
          redisEndpoint: "redis.ours.svc.cluster.local:6379",
        },
      },
    });
  });

  it("reach another program by a stack reference, as in the example", async () => {
    await reader.up();
    const settings = cluster.list("configmaps", "default").find(({ metadata }) => metadata.name === "usdf");
    expect(settings.data).toEqual({ RAW_MICROSERVICE: "http://127.0.0.9:8080/presence" });
  });

  it("of an environment that has none fail its preview, which names those that have", async () => {
    read("organization/usdf/outputs", "silent");
    const { code, output } = await reader.run("preview");
    expect(code).not.toBe(0);
    expect(output).toContain('Environment "silent" has no presence. These have: ours.');
  });
});
