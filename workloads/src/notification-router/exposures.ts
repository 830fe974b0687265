import pLimit from "p-limit";
import { FacilityError, messageOf } from "../lib/errors";
import { ObjectMissingError, type ObjectStore, StoreUnavailableError } from "../lib/objectStore";
import { backoffMs, sleep } from "../lib/process";
import { parseSidecar } from "../lib/sidecar";
import { metrics } from "./metrics";

/** What a sidecar says of its exposure. */
export interface Membership {
  /** Name of the group; empty when the exposure belongs to none. */
  readonly group: string;
  /** From 0. */
  readonly snap: number;
}

/** No sidecar of an exposure tells its group. */
export class SidecarError extends FacilityError {
  readonly retryable = true;
  constructor(
    readonly code: "SIDECAR_MISSING" | "SIDECAR_INVALID" | "SIDECAR_UNREADABLE",
    sidecar: string,
    reason: string,
  ) {
    super(`Cannot tell the group of sidecar "${sidecar}": ${reason}. PUT the sidecar, then PUT its raw file again.`);
  }
}

export interface ExposuresOptions {
  readonly store: Pick<ObjectStore, "read" | "list">;
  /** How long a sidecar that is not there is waited for, ms. */
  readonly waitMs: number;
  /** The same while the store does not answer, ms. */
  readonly outageMs: number;
  /** Exposures that are remembered. */
  readonly cacheSize: number;
  /** Sidecars read at the same time. */
  readonly concurrency: number;
  readonly stop: AbortSignal;
}

/** Delays between two looks for sidecars of an exposure, ms. */
const baseMs = 50;
const maxMs = 1_000;
/** Exposures that are looked for because of a sidecar alone. */
const maxSearches = 1_000;
/** A sidecar is a header: 64 kB at most as cameras write them. */
const sidecarLimitBytes = 1_048_576;
const groupLimit = 256;

interface Search {
  /** The one that is tried first: that of the file which asked, or one that is known to be there. */
  sidecar: string;
  /** It has changed meanwhile: it is tried at once. */
  again: boolean;
  wake: () => void;
  readonly found: Promise<Membership>;
}

/**
 * The groups of exposures. All detectors of an exposure are of one group, so one sidecar is read for all of them, once: the first
 * that is there. An exposure is named by its folder.
 */
export class Exposures {
  private readonly cache = new Map<string, Membership>();
  private readonly searches = new Map<string, Search>();
  private readonly limit: <T>(work: () => Promise<T>) => Promise<T>;

  constructor(private readonly options: ExposuresOptions) {
    this.limit = pLimit(options.concurrency);
    const wakeAll = () => this.searches.forEach((search) => search.wake());
    options.stop.addEventListener("abort", wakeAll, { once: true });
  }

  /** What is known without asking. */
  known(exposure: string): Membership | undefined {
    const found = this.cache.get(exposure);
    if (found) {
      this.cache.delete(exposure); // the newest stand last
      this.cache.set(exposure, found);
    }
    return found;
  }

  /**
   * Looks for a sidecar of the exposure; who asks for the same exposure meanwhile waits with it.
   * @throws {@link SidecarError} when the time is over.
   */
  find(exposure: string, sidecar: string): Promise<Membership> {
    const search = this.searches.get(exposure);
    return search ? search.found : this.begin(exposure, sidecar);
  }

  /** A sidecar is there: it is read now, before the raw files ask for it. */
  sidecarCame(exposure: string, sidecar: string): void {
    if (this.cache.has(exposure)) return;
    const search = this.searches.get(exposure);
    if (search) {
      search.sidecar = sidecar;
      search.again = true;
      search.wake();
    } else if (this.searches.size < maxSearches) this.begin(exposure, sidecar).catch(() => undefined); // raw files ask again
  }

  private begin(exposure: string, sidecar: string): Promise<Membership> {
    const endTimer = metrics.sidecarSeconds.startTimer();
    const search: Search = {
      sidecar,
      again: false,
      wake: () => undefined,
      found: Promise.resolve()
        .then(() => this.look(exposure, search))
        .finally(() => {
          this.searches.delete(exposure);
          metrics.searches.set(this.searches.size);
        }),
    };
    this.searches.set(exposure, search);
    metrics.searches.set(this.searches.size);
    return search.found.then((found) => {
      endTimer();
      this.remember(exposure, found);
      return found;
    });
  }

  private remember(exposure: string, found: Membership): void {
    this.cache.set(exposure, found);
    if (this.cache.size > this.options.cacheSize) this.cache.delete(this.cache.keys().next().value!);
  }

  private async look(exposure: string, search: Search): Promise<Membership> {
    const { waitMs, outageMs, stop } = this.options;
    const startMs = Date.now();
    for (let attempt = 1; ; attempt++) {
      let failure: SidecarError;
      try {
        return await this.limit(() => this.read(search.sidecar));
      } catch (error) {
        failure = error as SidecarError;
      }
      if (failure.code !== "SIDECAR_UNREADABLE") {
        const found = await this.limit(() => this.readAnother(exposure, search.sidecar, attempt)).catch(
          () => undefined,
        );
        if (found) return found;
      }
      const limitMs = failure.code === "SIDECAR_UNREADABLE" ? outageMs : waitMs;
      const leftMs = startMs + limitMs - Date.now();
      if (leftMs <= 0 || stop.aborted) throw failure;
      const woken = new AbortController();
      search.wake = () => woken.abort();
      if (!search.again) await sleep(Math.min(leftMs, backoffMs(attempt, baseMs, maxMs)), woken.signal);
      search.again = false;
    }
  }

  /** The sidecar of another detector says the same: one of those that are there, by turns. */
  private async readAnother(exposure: string, sidecar: string, turn: number): Promise<Membership | undefined> {
    for await (const page of this.options.store.list(`${exposure}/`)) {
      const others = page.filter(({ key }) => key !== sidecar && isSidecar(key));
      return others.length > 0 ? this.read(others[turn % others.length]!.key) : undefined; // an exposure fits in one page
    }
    return undefined;
  }

  private async read(sidecar: string): Promise<Membership> {
    let bytes: Buffer;
    metrics.sidecarReads.inc();
    try {
      bytes = await this.options.store.read(sidecar, sidecarLimitBytes);
    } catch (error) {
      if (error instanceof ObjectMissingError) throw new SidecarError("SIDECAR_MISSING", sidecar, "it is not there");
      const code = error instanceof StoreUnavailableError ? "SIDECAR_UNREADABLE" : "SIDECAR_INVALID";
      throw new SidecarError(code, sidecar, messageOf(error));
    }
    const invalid = (reason: string) => new SidecarError("SIDECAR_INVALID", sidecar, reason);
    if (bytes.length >= sidecarLimitBytes) throw invalid(`it has ${sidecarLimitBytes} bytes or more`);
    let header: Record<string, unknown>;
    try {
      header = parseSidecar(bytes.toString("utf8"));
    } catch (error) {
      throw invalid(messageOf(error));
    }
    const membership = membershipOf(header);
    if (typeof membership === "string") throw invalid(membership);
    return membership;
  }
}

/** Whether a key is of the sidecar of a raw file. */
export function isSidecar(key: string): boolean {
  return /_R\d\d_S.\d\.json$/.test(key);
}

/** Group and snap of a header; a text is what is wrong with it. */
export function membershipOf({ GROUPID, CURINDEX }: Readonly<Record<string, unknown>>): Membership | string {
  const group = GROUPID ?? "";
  if (typeof group !== "string" || group.length > groupLimit || /[\0-\x1f]/.test(group))
    return `GROUPID is no text of at most ${groupLimit} characters`;
  const index = CURINDEX ?? 1; // a camera that has no snaps does not count them
  if (typeof index !== "number" || !Number.isInteger(index) || index < 1) return "CURINDEX is no whole number from 1";
  return { group, snap: index - 1 };
}
