/** Before anything is sent: which environments a canary can go through, and what is said of the others. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { readStackYaml } from "../../local/record";
import { stackConfig } from "../../local/stackConfig";
import { obstacle } from "../../local/verify/stack";

const root = resolve(__dirname, "../..");
const dir = mkdtempSync(join(tmpdir(), "usdf-verify-"));
afterAll(() => rmSync(dir, { recursive: true }));

const environment = { bucket: "rubin-summit", butlerRepo: "/butler" };
const upstreamIngest = { ingest: { image: "upstream", upstreamTag: "1.2.1" } };
writeFileSync(
  join(dir, "Pulumi.trial.yaml"),
  stringify({
    config: {
      "usdf:embargo": {
        kubeContext: "no-such-cluster",
        environments: {
          ours: { ...environment, profile: "embargo" },
          upstream: { ...environment, ...upstreamIngest },
          lfa: { ...environment, bucket: "rubin:rubinobs-lfa-cp" },
          narrow: { ...environment, enqueue: { datasetRegexp: "LATISS/.*fits$" } },
          wide: { ...environment, enqueue: { datasetRegexp: String.raw`LSSTCam/\d{8}/\w*/[\w.]*\.fits$` } },
        },
      },
    },
  }),
);

it("names why no canary can be sent through an environment", () => {
  const { embargo } = stackConfig("trial", readStackYaml("trial", dir));
  expect(
    Object.fromEntries(Object.keys(embargo!.environments).map((name) => [name, obstacle(embargo!, name)])),
  ).toEqual({
    ours: undefined,
    upstream: "its ingest is upstream's image, which knows no canaries; switch ingest.image to usdf first",
    lfa: "a bucket of the Large File Annex holds no exposures",
    narrow:
      "its datasetRegexp LATISS/.*fits$ does not take " +
      "rubin-summit/LSSTCam/19900101/MC_V_19900101_000001/MC_V_19900101_000001_R22_S11.fits",
    wide: undefined,
  });
});

it.each([
  {
    about: "an environment that is not there",
    args: ["trial", "--environment", "summit"],
    code: 2,
    stderr: "usdf: No environment summit in stack trial. There are: ours, upstream, lfa, narrow, wide.\n",
  },
  {
    about: "one that runs upstream's ingest",
    args: ["trial", "--environment", "ours", "upstream"],
    code: 1,
    stderr:
      "usdf: No canary can be sent through upstream: its ingest is upstream's image, which knows no canaries; " +
      "switch ingest.image to usdf first.\n",
  },
  {
    about: "a machine without the Pulumi CLI",
    args: ["trial", "--environment", "ours"],
    code: 1,
    stderr: "usdf: The outputs of stack trial cannot be read (pulumi stack output): pulumi is not on the PATH\n",
  },
  {
    about: "a time that no run may take",
    args: ["trial", "--timeout", "3600"],
    code: 2,
    stderr: "error: option '--timeout <seconds>' argument '3600' is invalid. It is not a number from 1 to 600.\n",
  },
])("refuses $about", async ({ args, code, stderr }) => {
  const words = [join(root, "local/usdf.mjs"), "verify", ...args, "--cwd", dir];
  const env = { HOME: dir, PATH: dir };
  const ended = await new Promise((done) =>
    execFile(process.execPath, words, { cwd: root, env }, (error, _stdout, text) => done([error?.code ?? 0, text])),
  );
  expect(ended).toEqual([code, stderr]);
});
