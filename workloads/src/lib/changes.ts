import { messageOf } from "./errors";
import type { Logger } from "./log";

/** What a run did, saw and refused. */
export interface Report {
  /** Changes, made or (in a dry run) to be made. */
  readonly changes: string[];
  /** What is there and not declared; left alone. */
  readonly orphans: string[];
  /** What is not as declared, and stays so until a person looks. */
  readonly faults: string[];
}

/** Makes changes one after the other; one that fails is a fault and costs none of the others. */
export class Changes {
  readonly report: Report = { changes: [], orphans: [], faults: [] };
  constructor(
    private readonly log: Logger,
    private readonly isDryRun: boolean,
  ) {}

  /** @returns what `make` returns; `undefined` in a dry run or when it failed. */
  async make<T>(change: string, make: () => Promise<T>): Promise<T | undefined> {
    if (this.isDryRun) {
      this.report.changes.push(change);
      this.log.info({ change }, "Would change");
      return undefined;
    }
    try {
      const made = await make();
      this.report.changes.push(change);
      this.log.info({ change }, "Changed");
      return made;
    } catch (error) {
      this.fault(`${change}: ${messageOf(error)}`);
      return undefined;
    }
  }

  fault(fault: string): void {
    this.report.faults.push(fault);
    this.log.error({ fault }, "Is not as declared");
  }

  orphan(orphan: string): void {
    this.report.orphans.push(orphan);
    this.log.warn({ orphan }, "Is not declared; left alone");
  }
}
