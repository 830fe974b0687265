import type { Admin } from "kafkajs";
import type { Logger } from "../lib/log";

/** The topics of a broker that match, and whether they are still the same. */
export class TopicWatch {
  /** Topic -> partitions, as of the last {@link look}. */
  known: ReadonlyMap<string, number> | undefined;
  private isConnected = false;

  constructor(
    private readonly admin: Admin,
    private readonly pattern: RegExp,
    private readonly log: Logger,
  ) {}

  /** Asks for the topics and keeps them as {@link known}; sorted. */
  async look(): Promise<string[]> {
    const found = await this.list();
    const before = this.known;
    this.known = found;
    if (before) {
      const come = [...found.keys()].filter((topic) => !before.has(topic));
      const gone = [...before.keys()].filter((topic) => !found.has(topic));
      if (come.length + gone.length > 0) this.log.info({ come: come.slice(0, 20), gone: gone.slice(0, 20) }, `${come.length} topics have come, ${gone.length} have gone`); // prettier-ignore
    }
    return [...found.keys()].sort();
  }

  /** Whether topics have come or gone, or have other partitions, since {@link look}. */
  async hasChanged(): Promise<boolean> {
    const found = await this.list();
    const { known } = this;
    return known?.size !== found.size || [...found].some(([topic, partitions]) => known.get(topic) !== partitions);
  }

  private async list(): Promise<Map<string, number>> {
    if (!this.isConnected) await this.admin.connect();
    this.isConnected = true;
    const { topics } = await this.admin.fetchTopicMetadata();
    return new Map(
      topics.filter(({ name }) => this.pattern.test(name)).map(({ name, partitions }) => [name, partitions.length]),
    );
  }
}
