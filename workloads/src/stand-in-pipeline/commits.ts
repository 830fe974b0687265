import { appendFileSync, closeSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

/** A place that takes each commit once: a file that is made with O_EXCL. */
export class Commits {
  constructor(private readonly folder: string) {}

  /**
   * Commits, durably. @returns false when it was committed before, which is a fault of whoever did not know that it
   * might have been: that is noted in the file `violations`.
   */
  commit(instrument: string, group: string, detector: number, contents: object, mayExist: boolean): boolean {
    const path = join(this.folder, instrument, group, String(detector));
    mkdirSync(dirname(path), { recursive: true });
    try {
      const file = openSync(path, "wx");
      writeSync(file, `${JSON.stringify(contents)}\n`);
      fsyncSync(file);
      closeSync(file);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (!mayExist) appendFileSync(join(this.folder, "violations"), `${path} ${JSON.stringify(contents)}\n`);
      return false;
    }
  }
}
