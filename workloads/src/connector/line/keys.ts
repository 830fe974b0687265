import { keyText } from "./text";

/** More different keys of one measurement than this are made anew each time instead of being kept. */
const keptLimit = 100_000;

/**
 * Names of the fields of one schema, flattened: `a0`, `a1` for a list (no separator, as in the EFD), `a_b` for a record or map,
 * `a0_1` for a list in a list. Where two would have one name, the field that is declared by that name has it, of two lists the
 * one with the longer name, and the other is set apart by `_`: with a list `a` and a field `a1`, element 1 is `a_1`. So no
 * value ever hides another, and a field's name depends on the schema only, not on how long a list happens to be.
 */
export class FieldNames {
  private readonly declared = new Set<string>(["time"]); // a field of that name InfluxDB drops without a word
  private readonly lists = new Set<string>();
  private readonly maps = new Set<string>();
  private kept = 0;
  /** Flattened names that were taken, and what their second field is called, in the order met. */
  readonly collisions = new Map<string, string>();

  /** A name for a field of one value; the outermost are declared first. */
  declare(name: string): Key {
    const own = this.free(name, (taken) => `${taken}_`, (wanted) => this.declared.has(wanted)); // prettier-ignore
    this.declared.add(own);
    return new Key(this, own);
  }

  /** Keeps the name of a field of one value that is inside a record. */
  declareLeaf(name: string): void {
    this.declared.add(name);
  }

  /** Keeps the names of a list's elements. */
  declareList(name: string): void {
    this.lists.add(name);
  }

  /** Keeps the names of a map's entries. */
  declareMap(name: string): void {
    this.maps.add(name);
  }

  /** @internal */
  derived(base: string, separator: string, part: string): string {
    return this.free(
      base + separator + part,
      (taken) => `${base}${"_".repeat(taken.length - base.length - part.length + 1)}${part}`,
      (wanted) => this.declared.has(wanted) || this.isOfLongerName(base, wanted),
    );
  }

  /** @internal */
  mayKeep(): boolean {
    return this.kept++ < keptLimit;
  }

  private free(wanted: string, next: (taken: string) => string, isTaken: (name: string) => boolean): string {
    let own = wanted;
    for (let tries = 0; tries < 100 && isTaken(own); tries++) own = next(own);
    if (own !== wanted && this.collisions.size < 1000) this.collisions.set(wanted, own);
    return own;
  }

  private isOfLongerName(base: string, wanted: string): boolean {
    if (this.lists.size + this.maps.size < 2) return false;
    for (let end = wanted.length - 1; end > base.length; end--) {
      const longer = wanted.slice(0, end);
      if (this.lists.has(longer) && /^(0|[1-9]\d*)$/.test(wanted.slice(end))) return true;
      if (this.maps.has(longer) && wanted[end] === "_") return true;
    }
    return false;
  }
}

/** Name of a field, and of what is inside it. */
export class Key {
  /** `,name=`, escaped. */
  readonly text: string;
  private readonly elements: Key[] = [];
  private readonly parts = new Map<string, Key>();

  constructor(
    private readonly names: FieldNames,
    readonly name: string,
    private readonly isElement = false,
  ) {
    this.text = `,${keyText(name)}=`;
  }

  element(index: number): Key {
    const kept = this.elements[index];
    if (kept) return kept;
    const made = new Key(this.names, this.names.derived(this.name, this.isElement ? "_" : "", String(index)), true);
    if (index === this.elements.length && this.names.mayKeep()) this.elements.push(made);
    return made;
  }

  part(name: string): Key {
    const kept = this.parts.get(name);
    if (kept) return kept;
    const made = new Key(this.names, this.names.derived(this.name, "_", name));
    if (this.names.mayKeep()) this.parts.set(name, made);
    return made;
  }
}
