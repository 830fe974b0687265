import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "usdf-install-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it("a link to another checkout's packages that are not the wanted ones is refused, and what it leads to is left alone", () => {
  const checkout = join(dir, "checkout");
  const packages = join(dir, "packages");
  mkdirSync(join(checkout, "local"), { recursive: true });
  mkdirSync(join(packages, "kept"), { recursive: true });
  cpSync(join(__dirname, "../../local/usdf.mjs"), join(checkout, "local/usdf.mjs"));
  const lock = { lockfileVersion: 3, packages: { "node_modules/wanted": { version: "1.0.0" } } };
  writeFileSync(join(checkout, "package-lock.json"), JSON.stringify(lock));
  symlinkSync(packages, join(checkout, "node_modules"));
  const { status, stderr } = spawnSync(process.execPath, [join(checkout, "local/usdf.mjs"), "status"], {
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([
    1,
    `usdf: ${checkout}/node_modules is a link to ${packages}, where packages are not those of this package-lock.json. ` +
      "Remove the link, or run npm ci there.\n",
  ]);
  expect(readdirSync(packages)).toEqual(["kept"]);
});

it("goes on with the Node of its packages, and ends as that does", () => {
  const checkout = join(dir, "own-node");
  const bin = join(checkout, `node_modules/node-${process.platform}-${process.arch}/bin`);
  mkdirSync(join(checkout, "local"), { recursive: true });
  mkdirSync(bin, { recursive: true });
  const usdf = join(checkout, "local/usdf.mjs");
  cpSync(join(__dirname, "../../local/usdf.mjs"), usdf);
  writeFileSync(join(checkout, "package-lock.json"), "{}");
  writeFileSync(join(checkout, "node_modules/.usdf-stamp"), createHash("sha256").update("{}").digest("hex"));
  writeFileSync(join(bin, "node"), '#!/bin/sh\necho "$@"; echo "$PATH" | cut -d: -f1; exit ${CODE:-0}\n');
  chmodSync(join(bin, "node"), 0o755);
  const run = (env: object) =>
    spawnSync(process.execPath, [usdf, "status", "--json"], { encoding: "utf8", env: { ...process.env, ...env } });
  expect(run({})).toMatchObject({ status: 0, stdout: `${usdf} status --json\n${bin}\n`, stderr: "" });
  expect(run({ CODE: "3" }).status).toBe(3);
});
