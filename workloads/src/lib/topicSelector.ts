/**
 * Which Kafka topics: one typed form, and the patterns that it compiles to. Go, Java and Python users of a pattern search,
 * match from the start or match in full; each pattern is anchored at both ends and uses only what the three have in common,
 * so all take the same names.
 */
export interface TopicSelector {
  /** What the names begin with, e.g. `lsst.sal`; a dot and more follow. */
  readonly namespace: string;
  /** CSCs. With components or kinds a name is `<namespace>.<component>.<topic>`, else anything below the namespace. */
  readonly components?: readonly string[];
  readonly kinds?: readonly TopicKind[];
  /** Whole names of what follows the namespace; with components or kinds: of what follows the component. */
  readonly topics?: readonly string[];
  /** Names, as in topics, that are left out together with all below them. */
  readonly except?: readonly string[];
  /** Alias of the cluster that the topics are mirrored from: their names begin with it. */
  readonly from?: string;
}

export type TopicKind = "telemetry" | "events" | "commands" | "acks";

/** Language of a pattern. Its `$` and `\Z` differ only for names with a line feed, which Kafka has not. */
export type PatternDialect = "go" | "java" | "python";

const ack = "ackcmd";
const prefixOfKind = { events: "logevent_", commands: "command_" } as const;

/** Kind of a SAL topic by the last part of its name; whatever is neither event, command nor ack is telemetry. */
export function kindOf(topic: string): TopicKind {
  const name = topic.slice(topic.lastIndexOf(".") + 1);
  if (name === ack) return "acks";
  if (name.startsWith(prefixOfKind.events)) return "events";
  return name.startsWith(prefixOfKind.commands) ? "commands" : "telemetry";
}

/** What every name that the selector takes begins with. */
export function namePrefix({ from, namespace }: Pick<TopicSelector, "from" | "namespace">): string {
  return `${from === undefined ? "" : `${from}.`}${namespace}.`;
}

/** Whether the selector takes the topic. Of many topics, {@link matcherOf} is asked faster. */
export function matches(selector: TopicSelector, topic: string): boolean {
  return matcherOf(selector)(topic);
}

/** A function that tells of each topic whether the selector takes it. */
export function matcherOf(selector: TopicSelector): (topic: string) => boolean {
  const prefix = namePrefix(selector);
  const components = selector.components && new Set(selector.components);
  const kinds = selector.kinds && new Set(selector.kinds);
  const topics = selector.topics && new Set(selector.topics);
  const except = new Set(selector.except);
  const inComponents = hasComponents(selector);
  return (topic) => {
    if (!topic.startsWith(prefix) || topic.length === prefix.length) return false;
    let start = prefix.length;
    if (inComponents) {
      const dot = topic.indexOf(".", start);
      if (dot <= start || (components && !components.has(topic.slice(start, dot)))) return false;
      start = dot + 1;
      if (start === topic.length || topic.includes(".", start)) return false;
      if (kinds && !kinds.has(kindOf(topic))) return false;
    }
    if (!topics && except.size === 0) return true;
    const name = topic.slice(start);
    return !(topics && !topics.has(name)) && !(except.size > 0 && isExcepted(except, name));
  };
}

/**
 * The selector as an anchored pattern that takes the same topics. It has no comma, since lists of patterns are joined by
 * commas (MirrorMaker), and no look-ahead, which Go has not. One that takes nothing becomes the pattern of the empty name.
 */
export function patternOf(selector: TopicSelector, dialect: PatternDialect): string {
  const names = namesPattern(selector);
  const body = names === undefined ? "" : escaped(namePrefix(selector)) + names;
  return `^${body}${dialect === "python" ? "\\Z" : "$"}`;
}

/**
 * A name that both selectors take, or undefined where there is none. Selectors look at nothing but names that they hold
 * and kinds, so it is enough to try these and one that neither holds, of each kind.
 */
export function commonTopic(a: TopicSelector, b: TopicSelector): string | undefined {
  const [takenByA, takenByB] = [matcherOf(a), matcherOf(b)];
  for (const candidate of candidates(a, b)) if (takenByA(candidate) && takenByB(candidate)) return candidate;
  return undefined;
}

const hasComponents = ({ components, kinds }: TopicSelector) => components !== undefined || kinds !== undefined;

/** Whether the name, or one that it is below, is left out. */
function isExcepted(except: ReadonlySet<string>, name: string): boolean {
  for (let end = name.indexOf("."); end >= 0; end = name.indexOf(".", end + 1))
    if (except.has(name.slice(0, end))) return true;
  return except.has(name);
}

const escaped = (name: string) => name.replaceAll(".", "\\.");

/** One of several, in a group where it needs one. */
const anyOf = (patterns: readonly string[]) => (patterns.length === 1 ? patterns[0]! : `(?:${patterns.join("|")})`);

function namesPattern(selector: TopicSelector): string | undefined {
  const { components, topics, except = [] } = selector;
  if (!hasComponents(selector)) {
    if (topics === undefined) return complement(except, { dots: true });
    const kept = topics.filter((name) => !isExcepted(new Set(except), name));
    return kept.length === 0 ? undefined : anyOf(kept.map(escaped));
  }
  const name = topicPattern(selector);
  if (name === undefined || components?.length === 0) return undefined;
  return `${components === undefined ? "[^.]+" : anyOf(components)}\\.${name}`;
}

/** Pattern of what follows a component. */
function topicPattern(selector: TopicSelector): string | undefined {
  const { kinds = ["telemetry", "events", "commands", "acks"], topics, except = [] } = selector;
  if (topics !== undefined) {
    const isKept = (name: string) =>
      !name.includes(".") && kinds.includes(kindOf(name)) && !isExcepted(new Set(except), name);
    const kept = topics.filter(isKept);
    return kept.length === 0 ? undefined : anyOf(kept);
  }
  const prefixes = Object.entries(prefixOfKind) as [TopicKind, string][];
  if (kinds.includes("telemetry")) {
    const others = prefixes.filter(([kind]) => !kinds.includes(kind)).map(([, prefix]) => prefix);
    return complement(kinds.includes("acks") ? except : [...except, ack], { prefixes: others });
  }
  const patterns = prefixes
    .filter(([kind]) => kinds.includes(kind))
    .flatMap(([, prefix]) => {
      const below = except.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
      const rest = complement(below, { empty: true });
      return rest === undefined ? [] : [prefix + rest];
    });
  if (kinds.includes("acks") && !except.includes(ack)) patterns.push(ack);
  return patterns.length === 0 ? undefined : anyOf(patterns);
}

interface Node {
  readonly children: Map<string, Node>;
  /** A name ends here. */
  isWord: boolean;
  /** All that begins so is left out. */
  isPrefix: boolean;
}

const newNode = (): Node => ({ children: new Map(), isWord: false, isPrefix: false });

/**
 * Pattern of all names but `words` (with dots: and what is below them) and what begins with one of `prefixes`. Written
 * out over the tree of their letters, because Go has no look-ahead.
 */
function complement(
  words: readonly string[],
  { prefixes = [], dots = false, empty = false }: { prefixes?: readonly string[]; dots?: boolean; empty?: boolean },
): string | undefined {
  const root = newNode();
  const leaf = (name: string) => {
    let node = root;
    for (const letter of name) {
      if (!node.children.has(letter)) node.children.set(letter, newNode());
      node = node.children.get(letter)!;
    }
    return node;
  };
  for (const word of words) leaf(word).isWord = true;
  for (const prefix of prefixes) leaf(prefix).isPrefix = true;
  const any = dots ? "." : "[^.]";
  if (root.children.size === 0 && !root.isWord) return `${any}${empty ? "*" : "+"}`;

  /** Pattern of what may follow a node; undefined where nothing may. */
  const after = (node: Node, mayEnd: boolean): string | undefined => {
    if (node.isPrefix) return undefined;
    const letters = [...node.children.keys()].filter((letter) => letter !== "." || (dots && !node.isWord));
    const taken = new Set([...letters, ...(dots && !node.isWord ? [] : ["."])]);
    const other = taken.size === 0 ? any : `[^${[...taken].sort().join("").replace("-", "\\-")}]`;
    const ways = [`${other}${any}*`];
    for (const letter of letters) {
      const child = node.children.get(letter)!;
      const rest = after(child, !child.isWord);
      if (rest !== undefined) ways.push(escaped(letter) + rest);
    }
    return mayEnd ? `(?:${ways.join("|")})?` : anyOf(ways);
  };
  return after(root, empty && !root.isWord);
}

/** No selector names this one. */
const fresh = "Zz0";

function* candidates(a: TopicSelector, b: TopicSelector): Generator<string> {
  const [shorter, longer] = [namePrefix(a), namePrefix(b)].sort((one, other) => one.length - other.length) as [
    string,
    string,
  ];
  if (!longer.startsWith(shorter)) return;
  const named = [a, b].flatMap(({ topics = [], except = [] }) => [...topics, ...except]);
  const topics = [...named, fresh, `logevent_${fresh}`, `command_${fresh}`, ack];
  const listed = [a, b].flatMap(({ components }) => (components ? [components] : []));
  const components =
    shorter === longer && listed.length > 0
      ? listed.reduce((one, other) => one.filter((component) => other.includes(component)))
      : [...new Set([...listed.flat(), ...named.map((name) => name.split(".", 1)[0]!), fresh])];
  for (const prefix of new Set([longer, shorter])) {
    for (const topic of topics) {
      yield prefix + topic;
      for (const component of components) yield `${prefix}${component}.${topic}`;
    }
  }
}
