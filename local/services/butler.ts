import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { cacheDir, findProgram, MissingPrerequisite, type Progress } from "./find";
import { withLock } from "./lock";

const run = promisify(execFile);

/** The pinned packages of the Butler's Python child. */
export const requirementsFile = resolve(__dirname, "../../workloads/butler/requirements.txt");

/** Newest first: the packages are tested with these. */
const pythons = ["python3.13", "python3.12", "python3.11", "python3"];

/**
 * Path of a Python that has the packages of {@link requirementsFile}: `USDF_BUTLER_PYTHON` where that is set, else a
 * virtual environment in the cache that is made once for each version of the file (about 25 s).
 * @throws {@link MissingPrerequisite} without Python 3.11 or newer.
 */
export async function ensureButlerPython(progress: Progress = () => {}): Promise<string> {
  const explicit = process.env.USDF_BUTLER_PYTHON;
  if (explicit) {
    await run(explicit, ["-c", "import lsst.daf.butler"]).catch((cause) => {
      throw new Error(`USDF_BUTLER_PYTHON=${explicit} cannot import lsst.daf.butler`, { cause });
    });
    return explicit;
  }
  const requirements = await readFile(requirementsFile, "utf8");
  const folder = join(cacheDir, `butler-${createHash("sha256").update(requirements).digest("hex").slice(0, 12)}`);
  const python = join(folder, "bin", "python");
  // The Python that it was made with may have been removed since: then the link leads nowhere.
  const isComplete = () => existsSync(join(folder, "complete")) && existsSync(python);
  if (isComplete()) return python;

  const base = await findPython();
  await mkdir(cacheDir, { recursive: true });
  return withLock(`${folder}.lock`, async () => {
    if (isComplete()) return python;
    progress("pip install lsst-daf-butler and what it needs (once, about half a minute)");
    // A virtual environment holds its own path: it is made in place, and counts only once `complete` is there.
    await rm(folder, { recursive: true, force: true });
    await run(base.path, ["-m", "venv", folder]).catch((error) => {
      throw new MissingPrerequisite("Python's venv", "apt-get install -y python3-venv", lastLine(error));
    });
    const install = ["-m", "pip", "install", "--quiet", "--no-input", "--requirement", requirementsFile];
    await run(python, install, { maxBuffer: 64 << 20, timeout: 600_000 }).catch((error) => {
      throw new Error(`pip install -r ${requirementsFile} failed: ${lastLine(error)}`);
    });
    await writeFile(join(folder, "complete"), "");
    return python;
  });
}

/** A Python that is new enough. */
export async function findPython(): Promise<{ path: string; version: string }> {
  const seen: string[] = [];
  for (const name of pythons) {
    const path = findProgram(name);
    if (!path) continue;
    const code = "import sys; print('%d.%d' % sys.version_info[:2])";
    const version = await run(path, ["-c", code]).then(({ stdout }) => stdout.trim(), () => undefined); // prettier-ignore
    if (!version) continue;
    if (Number(version.split(".")[1]) >= 11) return { path, version };
    seen.push(`${path} is ${version}`);
  }
  throw new MissingPrerequisite("Python 3.11 or newer", "apt-get install -y python3 python3-venv", seen.join(", "));
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr || message).trim().split("\n").at(-1)!;
}
