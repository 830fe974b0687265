/** What a test has begun and must end, whether the rest of its start succeeds or not. */
export class Begun {
  private readonly ends: (() => Promise<unknown>)[] = [];

  /** @param end - Called once; it waits for what is still starting. */
  add(end: () => Promise<unknown>): void {
    this.ends.push(end);
  }

  /** Ends all, at the same time; what never began or cannot be ended keeps nothing else from it. */
  async end(): Promise<void> {
    await Promise.allSettled(this.ends.splice(0).map((end) => end()));
  }

  /** Ends all when the start fails. @throws what it throws. */
  async whole<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (error) {
      await this.end();
      throw error;
    }
  }
}
