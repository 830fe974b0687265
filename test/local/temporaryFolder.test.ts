import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryFolder } from "../../local/temporaryFolder";

const here = join(tmpdir(), `usdf-test-${process.pid}`);

test("files of tests go into a folder of the run; what a killed run left goes with the next one's start", () => {
  const gone = spawnSync("true").pid;
  const left = join(tmpdir(), `usdf-test-${gone}`);
  mkdirSync(join(left, "redis"), { recursive: true });
  writeFileSync(join(left, "redis", "appendonly.aof"), "");
  const theirs = join(tmpdir(), `usdf-test-${process.ppid}`);
  mkdirSync(theirs, { recursive: true });
  const { dir, remove } = temporaryFolder("/no-such-folder");
  expect(dir).toBe(here);
  expect(statSync(dir).mode & 0o777).toBe(0o711);
  expect(existsSync(left)).toBe(false);
  expect(existsSync(theirs)).toBe(true);
  execFileSync("rmdir", [theirs]);
  writeFileSync(join(dir, "file"), "");
  remove();
  expect(readdirSync(tmpdir())).not.toContain(`usdf-test-${process.pid}`);
});

test("a folder that is not in memory is none for them", () => {
  const { dir, remove } = temporaryFolder("/proc");
  remove();
  expect(dir).toBe(here);
});
