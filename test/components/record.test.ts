import { type RecordedStack, recordStack, secretMark } from "../../local/record";
import { recorded } from "../support/recorded";

const stack = (config: object) => ({ config: { "usdf:embargo": config } });
const environment = { kubeContext: "c", bucket: "b", butlerRepo: "s3://b/butler.yaml" };
const types = ({ resources }: RecordedStack) => resources.map(({ type, name }) => `${type} ${name}`).sort();

describe("recordStack", () => {
  it("records several stacks in one process, each by itself, the same each time", async () => {
    const [dev, prod, again] = await Promise.all([recorded("dev"), recorded("prod"), recordStack("dev")]);
    expect(types(again)).toEqual(types(dev));
    for (const [one, isProd] of [
      [prod, true],
      [again, false],
    ] as const)
      expect(one.resources.some(({ name }) => name.startsWith("summit"))).toBe(isProd);
    expect(Object.keys(again.outputs.embargo as object)).toEqual(["pp-dev", "test"]);
  });

  it("goes on after a stack that fails", async () => {
    await expect(recordStack("nowhere")).rejects.toThrow(/Stack "nowhere" has no .*Pulumi\.nowhere\.yaml/);
    await expect(recordStack("x", { config: stack({ environments: { e: {} } }) })).rejects.toThrow(
      "usdf:embargo.environments.e.bucket is missing",
    );
    expect((await recordStack("local")).resources.length).toBeGreaterThan(30);
  });

  it("keeps no secret value: not one of the stack, not one that is encrypted", async () => {
    const value = "v3ry-s3cret-value";
    const path = "secret/rubin/usdf-embargo-dmz/e";
    const config = {
      config: {
        "usdf:platform": { secrets: { kind: "value" } },
        "usdf:embargo": { environments: { e: { ...environment, profile: "p" } } },
        "usdf:secrets": { [`${path}#redis`]: value, [`${path}#notification`]: { secure: "v1:abc:def" } },
      },
    };
    const recorded = await recordStack("x", { config });
    const secret = recorded.resources.find(({ type, name }) => type.endsWith(":Secret") && name === "e-redis")!;
    expect(secret.inputs.stringData).toEqual({ "redis-password": `[secret ${path}#redis]` });
    expect(secret.secrets).toEqual([["stringData", "redis-password"]]);
    const text = JSON.stringify(recorded);
    expect(text).not.toContain(value);
    expect(text).not.toContain("v1:abc");
    expect(secretMark).toBe("[secret]");
  });
});
