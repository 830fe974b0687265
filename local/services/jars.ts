import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir, ensurePrograms, type Progress, type ProgramSet } from "./find";

const run = promisify(execFile);

export const javaPrograms: ProgramSet = {
  what: "Java (for Kafka)",
  programs: ["java"],
  packages: ["default-jre-headless"],
};

export const mavenPrograms: ProgramSet = { what: "Maven (for Kafka)", programs: ["mvn"], packages: ["maven"] };

/** Longest time that Maven may take for some fifty files. */
const fetchLimitMs = 600_000;

/** A program in Java, and where it is from. */
export interface JarSet {
  /** Name in messages, e.g. `Kafka`. */
  readonly what: string;
  /** `<name>-pom.xml` says what Maven fetches, `<name>-jars.txt` pins what must come of it; folder of the cache. */
  readonly name: string;
}

/**
 * Finds or installs Java, and fetches a program with Maven (a mirror is what Maven's settings say), once a machine; every
 * file is checked against its pinned SHA-256.
 * @returns The class path and the Java to use.
 */
export async function ensureJars(
  { what, name }: JarSet,
  progress: Progress = () => {},
): Promise<{ java: string; classPath: string }> {
  const { java } = await ensurePrograms(javaPrograms, progress);
  const pins = await readFile(join(__dirname, `${name}-jars.txt`), "utf8");
  const folder = join(cacheDir, `${name}-${createHash("sha256").update(pins).digest("hex").slice(0, 12)}`);
  if (!existsSync(folder)) {
    progress(`fetching ${what} with Maven (once)`);
    await fetchJars({ what, name }, folder, pinnedFiles(pins), progress);
  }
  return { java: java!, classPath: join(folder, "*") };
}

function pinnedFiles(pins: string): Map<string, string> {
  const lines = pins.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(lines.map((line) => line.split(/\s+/).reverse() as [name: string, sha256: string]));
}

async function fetchJars(set: JarSet, folder: string, pinned: Map<string, string>, progress: Progress): Promise<void> {
  const { mvn } = await ensurePrograms(mavenPrograms, progress);
  const part = `${folder}.${randomBytes(4).toString("hex")}`;
  await mkdir(part, { recursive: true });
  try {
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
    const args = ["-B", "-q", "-f", join(__dirname, `${set.name}-pom.xml`), goal, `-DoutputDirectory=${part}`];
    await run(mvn!, args, { timeout: fetchLimitMs, maxBuffer: 16 * 1024 * 1024 }).catch((error) => {
      const said = String(error.stdout || error.message)
        .trim()
        .split("\n")
        .slice(0, 3)
        .join("\n");
      throw new Error(
        `Maven cannot fetch ${set.what}:\n${said}\nName a mirror that you reach in Maven's settings.xml.`,
      );
    });
    const unknown = (await readdir(part)).filter((file) => !pinned.has(file));
    if (unknown.length > 0)
      throw new Error(`${set.name}-pom.xml resolves to ${unknown.join(", ")}: not in ${set.name}-jars.txt`);
    for (const [file, sha256] of pinned) {
      const found = createHash("sha256")
        .update(await readFile(join(part, file)))
        .digest("hex");
      if (found !== sha256)
        throw new Error(`${file} of ${set.what} has SHA-256 ${found}, not the pinned ${sha256}: not used`);
    }
    // Whole or not at all; when two runs fetch at once, the second finds it there.
    await rename(part, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
