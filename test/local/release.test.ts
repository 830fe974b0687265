import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createColors } from "picocolors";
import { parse } from "yaml";
import { applyRelease, obstaclesOf, planRelease, textOfPlan } from "../../local/release";
import { readStackDocument, tagChanges, withTags } from "../../local/release/edit";
import { readStackYaml } from "../../local/stackYaml";

const environment = "usdfprod-prompt-processing";
const checkout = join(__dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "usdf-release-"));
const file = join(folder, "Pulumi.prod.yaml");
afterAll(() => rmSync(folder, { recursive: true }));

/** Only what is released, with what is known of two releases; its comments are those of the stack. */
beforeEach(() => {
  const document = readStackDocument(readFileSync(join(checkout, "Pulumi.prod.yaml"), "utf8"));
  for (const key of Object.keys(readStackYaml("prod").config)) if (key !== "usdf:prompt") document.deleteIn(["config", key]); // prettier-ignore
  const prompt = ["config", "usdf:prompt"];
  document.setIn([...prompt, "environments", environment, "versions"], { apdbSchema: "9.1", alertSchema: "10.0" });
  document.setIn([...prompt, "releases"], {
    "16.0.0": {
      needs: { apdbSchema: { atLeast: "9.0", below: "10" }, alertSchema: { atLeast: "11.0" }, mpsky: { atLeast: "2" } },
      before: ["Make the alert schema 11.0 known to the registry."],
    },
    "15.3.0": { needs: { apdbSchema: { atLeast: "9.0", below: "10" } }, after: ["Look at the first visits."] },
  });
  writeFileSync(file, document.toString({ lineWidth: 0 }));
});

const tagsIn = (text: string) => {
  const { services } = parse(text).config["usdf:prompt"].environments[environment];
  return Object.values(services as Record<string, { image: { tag: string } }>).map(({ image }) => image.tag);
};

test("a release is a changed line of the stack's file; objects, drains and needs are shown before", async () => {
  const plan = await planRelease(environment, "15.3.0", { folder });
  expect(plan.services).toEqual([{ instrument: "LSSTCam", from: tagsIn(readFileSync(file, "utf8"))[0] }]);
  expect(plan.needs).toEqual([{ axis: "apdbSchema", atLeast: "9.0", below: "10", has: "9.1", met: true }]);
  expect(plan.changes.map(({ object, change }) => `${change} ${object}`)).toEqual([
    "changed CronJob prompt-keda-lsstcam/cron-prompt-keda-lsstcam",
    "changed Job prompt-keda-lsstcam/init-prompt-keda-lsstcam",
    "changed ScaledJob prompt-keda-lsstcam/prompt-keda-lsstcam",
  ]);
  for (const { lines } of plan.changes)
    for (const line of lines.filter((one) => /^[+-]/.test(one))) expect(line).toMatch(/image: ghcr\.io\/lsst-dm\/prompt-(init|service):15\.[23]\.0$/); // prettier-ignore
  expect(plan.drains).toEqual([{ name: "prompt-keda-lsstcam/prompt-keda-lsstcam", graceSeconds: 960, max: 1700, now: undefined }]); // prettier-ignore
  expect(obstaclesOf(plan)).toEqual([]);
  const text = textOfPlan(plan, createColors(false));
  expect(text).toContain("up to 1700 workers; each has 960 s for the visit in hand");
  expect(text).toContain("3. Look at the first visits.");

  const before = readFileSync(file, "utf8");
  await applyRelease(plan, false);
  const after = readFileSync(file, "utf8");
  expect(tagsIn(after)).toEqual(["15.3.0"]);
  expect(after).toBe(before.replace(`image: { tag: ${tagsIn(before)[0]} }`, "image: { tag: 15.3.0 }"));
  const again = await planRelease(environment, "15.3.0", { folder });
  expect(again).toMatchObject({ edits: [], changes: [], drains: [] });
  expect(textOfPlan(again, createColors(false))).toContain("Nothing to do");
});

test("a release that does not fit, or of which nobody said what it needs, changes nothing unless a person insists", async () => {
  const before = readFileSync(file, "utf8");
  const plan = await planRelease(environment, "16.0.0", { folder });
  expect(obstaclesOf(plan)).toEqual([
    "mpsky: 16.0.0 needs ≥ 2; the environment's versions do not say what it has.",
    "alertSchema: 16.0.0 needs ≥ 11.0; the environment has 10.0.",
  ]);
  await expect(applyRelease(plan, false)).rejects.toThrow("alertSchema: 16.0.0 needs ≥ 11.0");
  await expect(applyRelease(await planRelease(environment, "w_2026_47", { folder }), false)).rejects.toThrow(
    "Nobody has said what w_2026_47 needs",
  );
  expect(readFileSync(file, "utf8")).toBe(before);
  await applyRelease(plan, true);
  expect(tagsIn(readFileSync(file, "utf8"))).toEqual(["16.0.0"]);
});

test("who asks for what there is not is told what there is", async () => {
  await expect(planRelease("usdfprod", "1", { folder })).rejects.toThrow(`is called "usdfprod": ${environment}.`);
  await expect(planRelease(environment, "1", { folder, instruments: ["HSC"] })).rejects.toThrow('no service of "HSC": LSSTCam.'); // prettier-ignore
});

test.each([
  {
    about: "each has its own",
    services: { A: { image: { tag: "1" } }, B: { image: { tag: "2" } } },
    chosen: ["A", "B"],
    paths: ["services.A", "services.B"],
  },
  {
    about: "one of them",
    services: { A: { image: { tag: "1" } }, B: { image: { tag: "2" } } },
    chosen: ["B"],
    paths: ["services.B"],
  },
  { about: "none has one: one place for all", services: { A: {}, B: null }, chosen: ["A", "B"], paths: ["service"] },
  { about: "none has one, and one is meant", services: { A: {}, B: null }, chosen: ["B"], paths: ["services.B"] },
  { about: "it is that already", services: { A: { image: { tag: "9" } } }, chosen: ["A"], paths: [] },
])("where a tag stands: $about", ({ services, chosen, paths }) => {
  const text = JSON.stringify({ config: { "usdf:prompt": { environments: { e: { services } } } } });
  const changes = tagChanges(readStackDocument(text), "e", { all: Object.keys(services), chosen, tag: "9" });
  expect(changes.map(({ path }) => path.slice(4).join("."))).toEqual(paths.map((one) => `${one}.image.tag`));
  const after = parse(withTags(text, changes)).config["usdf:prompt"].environments.e;
  for (const one of chosen) expect(after.services[one]?.image?.tag ?? after.service?.image.tag).toBe("9");
});
