/** Does one thing after the other, in the order of asking; what fails does not hold up the next. */
export class Serial {
  private last: Promise<unknown> = Promise.resolve();

  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}
