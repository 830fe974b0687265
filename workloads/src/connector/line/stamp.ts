/** Unit of a time since 1970. */
export type TimeUnit = "s" | "ms" | "us" | "ns";

/** Why a record has no time. */
export type StampFault = {
  readonly code: "TIMESTAMP_MISSING" | "TIMESTAMP_UNIT" | "TIMESTAMP_RANGE";
  readonly reason: string;
};

export interface StampOptions {
  /** Empty: the time of the Kafka record, ms. */
  readonly field: string;
  readonly unit: TimeUnit;
  /** Earliest time, ms since 1970. */
  readonly minMs: number;
  /** Most that a time may be ahead of now, ms. */
  readonly aheadMs: number;
  readonly now?: () => number;
}

const unitsUs: Readonly<Record<TimeUnit, number>> = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 };

/**
 * Times of points. They are whole microseconds, the precision of a double of seconds in this century, so that two ways of the
 * same record come to the same point; nanoseconds only where the field counts them. They are written in nanoseconds, the one
 * precision that InfluxDB 1.x and 2.x call by the same name (2.x takes 1.x's `u` for nanoseconds without a word).
 */
export class Stamps {
  private readonly factor: number;
  private readonly isNs: boolean;
  private readonly now: () => number;

  constructor(private readonly options: StampOptions) {
    const unit = options.field === "" ? "ms" : options.unit;
    this.factor = unitsUs[unit];
    this.isNs = unit === "ns";
    this.now = options.now ?? Date.now;
  }

  /** Nanoseconds since 1970, as text; `value` is what the field holds, or the record's own time in ms. */
  of(value: unknown): string | StampFault {
    if (typeof value !== "number" && typeof value !== "bigint") {
      const { field } = this.options;
      const state = value === null || value === undefined ? "missing" : "no number";
      return { code: "TIMESTAMP_MISSING", reason: `${field} (TIMESTAMP_FIELD) is ${state}` };
    }
    const us = this.microseconds(Number(value));
    const { minMs, aheadMs } = this.options;
    if (!(us >= minMs * 1e3 && us <= (this.now() + aheadMs) * 1e3)) return this.fault(value);
    if (!this.isNs) return `${us}000`;
    return String(typeof value === "bigint" ? value : BigInt(Math.round(value)));
  }

  /** Whole seconds apart from their fraction: their product alone would round twice, and miss the nearest microsecond. */
  private microseconds(value: number): number {
    if (this.isNs) return Math.round(value * this.factor);
    const whole = Math.floor(value);
    return whole * this.factor + Math.round((value - whole) * this.factor);
  }

  private fault(value: number | bigint): StampFault {
    const { field, unit, minMs, aheadMs } = this.options;
    const nowMs = this.now();
    const fits = (factor: number) => {
      const ms = (Number(value) * factor) / 1e3;
      return ms >= minMs && ms <= nowMs + aheadMs;
    };
    const named = field === "" ? "the record's time" : field;
    const meant = Object.entries(unitsUs).find(([, factor]) => factor !== this.factor && fits(factor));
    if (meant) return { code: "TIMESTAMP_UNIT", reason: `${named} is ${value}: that is a time in ${meant[0]}, not in ${field === "" ? "ms" : unit}` }; // prettier-ignore
    const span = `${new Date(minMs).toISOString()} to ${new Date(nowMs + aheadMs).toISOString()}`;
    return { code: "TIMESTAMP_RANGE", reason: `${named} is ${value}, which is not within ${span} in any unit` };
  }
}
