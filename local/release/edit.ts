import { type Document, isMap, parseDocument } from "yaml";

/** A tag of `Pulumi.<stack>.yaml` that a release changes. */
export interface TagChange {
  /** Keys from the top of the file to the tag. */
  readonly path: readonly string[];
  /** Undefined: the tag was told elsewhere, or nowhere. */
  readonly from: string | undefined;
  readonly to: string;
}

/** Everything that a file says of services, as one YAML document that keeps its comments and its order. */
export function readStackDocument(text: string): Document {
  const document = parseDocument(text);
  if (document.errors.length > 0) throw document.errors[0]!;
  return document;
}

/**
 * Where the tag of services stands: with the service when it has one of its own or is one of several, else in one place for
 * all services of the environment.
 * @param all - Instruments of the environment; `chosen` is some or all of them.
 */
export function tagChanges(
  document: Document,
  environment: string,
  { all, chosen, tag }: { all: readonly string[]; chosen: readonly string[]; tag: string },
): TagChange[] {
  const base = ["config", "usdf:prompt", "environments", environment];
  const change = (path: string[]): TagChange => ({
    path,
    from: document.getIn(path) === undefined ? undefined : String(document.getIn(path)),
    to: tag,
  });
  const own = chosen.map((instrument) => change([...base, "services", instrument, "image", "tag"]));
  const shared = change([...base, "service", "image", "tag"]);
  const changes = chosen.length < all.length ? own : [shared, ...own.filter(({ from }) => from !== undefined)];
  return changes.filter(({ from, to }) => from !== to);
}

/** Text of the file with the tags changed; all else stays as it was written. */
export function withTags(document: Document, changes: readonly TagChange[]): string {
  for (const { path, to } of changes) {
    if (document.hasIn(path)) {
      const node = document.getIn(path, true) as { value: unknown };
      node.value = to;
    } else {
      let at = path.length - 1;
      while (!isMap(document.getIn(path.slice(0, at), true))) at -= 1;
      document.setIn(path.slice(0, at + 1), document.createNode(nested(path.slice(at + 1), to)));
    }
  }
  return document.toString({ lineWidth: 0 });
}

function nested(path: readonly string[], value: string): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}
