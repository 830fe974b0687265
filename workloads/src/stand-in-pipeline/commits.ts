import { appendFileSync, closeSync, fsyncSync, linkSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";

/** A place that takes each commit once and whole: a file that gets its name, which is taken only once, when it is written. */
export class Commits {
  private readonly partial: string;

  /** @param fsync - Whether a commit also outlives the machine. Default true. */
  constructor(
    private readonly folder: string,
    private readonly fsync = true,
  ) {
    const partials = join(folder, ".partial");
    mkdirSync(partials, { recursive: true });
    this.partial = join(partials, `${hostname()}-${process.pid}`);
  }

  /**
   * Commits. @returns false when it was committed before, which is a fault of whoever did not know that it might have been:
   * that is noted in the file `violations`.
   */
  commit(instrument: string, group: string, detector: number, contents: object, mayExist: boolean): boolean {
    const path = join(this.folder, instrument, group, String(detector));
    const text = `${JSON.stringify(contents)}\n`;
    mkdirSync(dirname(path), { recursive: true });
    this.write(text);
    try {
      linkSync(this.partial, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (!mayExist) appendFileSync(join(this.folder, "violations"), `${path} ${text}`);
      return false;
    } finally {
      rmSync(this.partial);
    }
  }

  private write(text: string): void {
    const file = openSync(this.partial, "w");
    try {
      writeSync(file, text);
      if (this.fsync) fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
