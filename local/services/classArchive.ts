import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";

/** How a Java program starts from an archive of its classes. */
export interface ClassArchive {
  /** Arguments of the JVM. */
  readonly args: readonly string[];
  /** To be called when the process has ended: what it leaves behind is for the next ones. */
  keep(): Promise<void>;
}

/**
 * An archive of the classes that a program loads (AppCDS): with it a start costs half the CPU time. The first process of a
 * machine that ends by SIGTERM leaves it behind; an archive of another Java or class path is ignored by the JVM.
 * @param classPath - As the JVM is told it: `folder/*`.
 * @param outlivesParent - Whoever ends the process may not know of the archive: it leaves none.
 */
export function classArchive(classPath: string, name: string, outlivesParent = false): ClassArchive {
  const archive = join(classPath, "..", `${name}.jsa`);
  const keep = async () => {};
  if (existsSync(archive)) return { args: [`-XX:SharedArchiveFile=${archive}`], keep };
  if (outlivesParent) return { args: [], keep };
  const part = `${archive}.${process.pid}.${Date.now()}`;
  return {
    args: [`-XX:ArchiveClassesAtExit=${part}`],
    keep: () => rename(part, archive).catch(() => {}), // a process that was killed leaves none
  };
}
