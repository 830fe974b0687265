import { Database, type DatabaseOptions, quoted } from "../../lib/postgres";
import { taiNsOf, utcNsOf } from "../../lib/tai";
import type { DimensionRecord, RecordKind } from "../model";
import type { RegistryPlace } from "./repository";

/** Exposures and visits of one instrument. */
export interface RecordSource {
  /** Records whose end is in [startNs, endNs), UTC; visits of every visit system. In the order of kind and id. */
  endingIn(window: { startNs: bigint; endNs: bigint }, stop?: AbortSignal): Promise<FoundRecords>;
  /** Records of days of observation, both included. */
  ofDays(firstDayObs: number, lastDayObs: number, stop?: AbortSignal): Promise<FoundRecords>;
  close(): Promise<void>;
}

export interface FoundRecords {
  readonly records: readonly DimensionRecord[];
  /** Records that cannot be summarised, each with its reason. */
  readonly notes: readonly string[];
}

const kinds: readonly { readonly kind: RecordKind; readonly dimension: string }[] = [
  { kind: "exposure", dimension: "exposure" },
  { kind: "visit1", dimension: "visit" },
];

/** Reads a Butler's registry in straight SQL, in transactions that cannot write. */
export class Registry implements RecordSource {
  private readonly database: Database;

  constructor(
    private readonly place: RegistryPlace,
    private readonly instrument: string,
    options: DatabaseOptions,
  ) {
    this.database = new Database(place.url, { connections: 2, ...options });
  }

  endingIn({ startNs, endNs }: { startNs: bigint; endNs: bigint }, stop?: AbortSignal): Promise<FoundRecords> {
    // Windows that touch in UTC touch in TAI, too: nothing falls between them, not even within a leap second.
    return this.find("upper(timespan) >= $2 and upper(timespan) < $3", [taiNsOf(startNs), taiNsOf(endNs)], stop);
  }

  ofDays(firstDayObs: number, lastDayObs: number, stop?: AbortSignal): Promise<FoundRecords> {
    return this.find("day_obs between $2 and $3", [firstDayObs, lastDayObs], stop);
  }

  close(): Promise<void> {
    return this.database.close();
  }

  private async find(
    condition: string,
    values: readonly (bigint | number)[],
    stop?: AbortSignal,
  ): Promise<FoundRecords> {
    const { namespace } = this.place;
    const queries = kinds.map(({ kind, dimension }) => {
      const table = namespace === undefined ? quoted(dimension) : `${quoted(namespace)}.${quoted(dimension)}`;
      return `select '${kind}' as kind, id, day_obs, seq_num, lower(timespan) as begin, upper(timespan) as end
        from ${table} where instrument = $1 and ${condition}`;
    });
    const text = `${queries.join(" union all ")} order by kind, id`;
    const { rows } = await this.database.transaction(
      "reading exposures and visits",
      (client) => client.query<Row>(text, [this.instrument, ...values.map(String)]),
      { readOnly: true, stop },
    );
    const records: DimensionRecord[] = [];
    const notes: string[] = [];
    for (const { kind, id, day_obs: dayObs, seq_num: seqNum, begin, end } of rows) {
      const missing = Object.entries({ begin, end, dayObs, seqNum }).flatMap(([name, value]) =>
        value === null ? name : [],
      );
      if (missing.length > 0) notes.push(`${kind} ${id} has no ${missing.join(", no ")}`);
      else
        records.push({
          kind,
          id: Number(id),
          dayObs: Number(dayObs),
          seqNum: Number(seqNum),
          span: spanOf(begin!, end!),
        });
    }
    return { records, notes };
  }
}

/** As node-postgres gives it: bigints as text. */
interface Row {
  readonly kind: RecordKind;
  readonly id: string;
  readonly day_obs: string | number | null;
  readonly seq_num: string | number | null;
  readonly begin: string | null;
  readonly end: string | null;
}

function spanOf(beginTaiNs: string, endTaiNs: string) {
  return { beginNs: utcNsOf(BigInt(beginTaiNs)), endNs: utcNsOf(BigInt(endTaiNs)) };
}
