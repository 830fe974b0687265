import { type Document, isMap, isScalar, parseDocument, stringify } from "yaml";

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
 * Where the tag of services stands: with the service that has one of its own; where none has, in one place for all services of
 * the environment.
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
  const [told, untold] = [own.filter(({ from }) => from !== undefined), own.filter(({ from }) => from === undefined)];
  const changes = [...(untold.length === 0 ? [] : untold.length === all.length ? [shared] : untold), ...told];
  return changes.filter(({ from, to }) => from !== to);
}

/** Text of the file with the tags changed. Where a tag stands already nothing else is touched. */
export function withTags(text: string, changes: readonly TagChange[]): string {
  const document = readStackDocument(text);
  const there = changes.flatMap(({ path, to }) => {
    const node = document.getIn(path, true);
    return isScalar(node) && node.range ? [{ from: node.range[0], until: node.range[1], to }] : [];
  });
  if (there.length === changes.length) {
    const backwards = there.sort((one, other) => other.from - one.from);
    return backwards.reduce((now, { from, until, to }) => now.slice(0, from) + plain(to) + now.slice(until), text);
  }
  for (const { path, to } of changes) {
    let at = path.length - 1;
    while (!isMap(document.getIn(path.slice(0, at), true))) at -= 1;
    document.setIn(path.slice(0, at + 1), document.createNode(nested(path.slice(at + 1), to)));
  }
  return document.toString({ lineWidth: 0 });
}

/** A tag as YAML: quoted where it would be a number. */
const plain = (tag: string) => stringify(tag).trim();

function nested(path: readonly string[], value: string): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}
