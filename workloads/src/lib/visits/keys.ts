/** Names of everything that prompt processing keeps in Redis, in one place. `group` is the Butler's group name. */
export const promptKey = {
  /** Stream with an entry for each (visit, detector) to process. */
  stream: (instrument: string) => `instrument:${slugOf(instrument)}`,
  /** Consumer group of that stream's workers. */
  consumerGroup: (instrument: string) => `${slugOf(instrument)}_consumer_group`,
  /** Hash of an announced visit: {@link AnnouncedVisit}. */
  visit: (instrument: string, group: string) => `visit:${instrument}:${group}`,
  /** Hash `<detector>/<obsId>` -> JSON of the raws of a visit that have arrived. */
  raws: (instrument: string, group: string) => `raws:${instrument}:${group}`,
  /** Channel on which a raw's JSON is published when it arrives. */
  rawsChannel: (instrument: string, group: string, detector: number) => `raws:${instrument}:${group}:${detector}`,
  /** Sorted set `<instrument>/<group>` of groups with raws that no next_visit has announced; score = when that is too late, ms. */
  unannounced: "raws-unannounced",
  /** Hash of how far a (visit, detector) is: `state`, `attempt`, `owner`, `at`. */
  unit: (instrument: string, group: string, detector: number) => `unit:${instrument}:${group}:${detector}`,
  /** Stream of what could not be processed, of all stages. */
  deadLetters: "dead-letters",
  /** Stream of dead letters of fan-out or router that a person gave back to it. */
  retries: (stage: string) => `retries:${stage}`,
  /** Marker of a source whose dead letter is in that stream already. */
  parked: (stage: string, source: string) => `dead-letter:${stage}:${source}`,
} as const;

/** How an instrument is called in names of streams, groups and metrics: lower case, `_` for space and `-`. */
export function slugOf(instrument: string): string {
  return instrument.toLowerCase().replace(/[ -]/g, "_");
}
