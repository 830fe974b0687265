import { FacilityError } from "./errors";

/** The regular expression cannot be read, or uses something that only Python's `re` has. */
export class RegexpError extends FacilityError {
  readonly code = "REGEXP";
  readonly retryable = false;
  constructor(
    readonly source: string,
    reason: string,
  ) {
    super(`Cannot use "${source}" as a regular expression: ${reason}. Write it as Python's re.search would take it.`);
  }
}

/** `\w`, `\d` and `\s` of a Python text pattern, as members of a character class. */
const members = {
  w: "\\p{L}\\p{N}_",
  d: "\\p{Nd}",
  s: "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000",
};
const word = `[${members.w}]`;
const boundary = `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
const noBoundary = `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
const atStart = "(?<![\\s\\S])";
const atEnd = "(?![\\s\\S])";

/**
 * Translates a pattern of Python's `re.search` (text, Unicode) to a JavaScript one that finds the same strings:
 * DATASET_REGEXP keeps its meaning when a deployment moves from the Python programs to these.
 * @throws {@link RegexpError} for a faulty pattern and for verbose mode, conditions, comments, atomic groups and
 * possessive repeats.
 */
export function pythonRegexp(source: string): RegExp {
  const refuse = (reason: string): never => {
    throw new RegexpError(source, reason);
  };
  const { flags, body } = leadingFlags(source, refuse);
  const multiline = flags.includes("m");
  const dot = flags.includes("s") ? "[\\s\\S]" : "[^\\n]";
  let out = "";
  for (let at = 0; at < body.length;) {
    const char = String.fromCodePoint(body.codePointAt(at) as number);
    const rest = body.slice(at);
    if (char === "\\") {
      const [text, used] = escape(rest, false, refuse);
      out += text;
      at += used;
    } else if (char === "[") {
      const [text, used] = characterClass(rest, refuse);
      out += text;
      at += used;
    } else if (rest.startsWith("(?")) {
      const [text, used] = group(rest, refuse);
      out += text;
      at += used;
    } else if (char === "{") {
      const repeat = /^\{(\d*)(,?)(\d*)\}/.exec(rest);
      const isRepeat = repeat && (repeat[1] !== "" || repeat[2] !== "") && repeat[0] !== "{,}";
      out += isRepeat ? `{${repeat[1] || "0"}${repeat[2]}${repeat[3]}}` : repeat?.[0] === "{,}" ? "*" : "\\{";
      at += isRepeat || repeat?.[0] === "{,}" ? repeat[0].length : 1;
      if (isRepeat && body[at] === "+") refuse("possessive repeats are not supported");
    } else {
      if ("*+?".includes(char) && body[at + 1] === "+") refuse("possessive repeats are not supported");
      if (char === "$") out += multiline ? "(?=\\n|(?![\\s\\S]))" : `(?=\\n?${atEnd})`;
      else if (char === "^") out += multiline ? "(?<=\\n|(?<![\\s\\S]))" : atStart;
      else if (char === ".") out += dot;
      else if (char === "}" || char === "]") out += `\\${char}`;
      else out += char;
      at += char.length;
    }
  }
  try {
    return new RegExp(out, flags.includes("i") ? "iv" : "v");
  } catch (error) {
    return refuse((error as Error).message.replace(/^Invalid regular expression: .*: /, ""));
  }
}

type Refuse = (reason: string) => never;

function leadingFlags(source: string, refuse: Refuse): { flags: string; body: string } {
  const match = /^\(\?([a-zA-Z]+)\)/.exec(source);
  if (!match) return { flags: "", body: source };
  const flags = match[1] as string;
  if (/[^imsu]/.test(flags)) refuse(`only the flags i, m, s and u may lead, not "${flags}"`);
  return { flags, body: source.slice(match[0].length) };
}

/** Translates a group's opening `(?…`. */
function group(rest: string, refuse: Refuse): [string, number] {
  const named = /^\(\?P<([A-Za-z_]\w*)>/.exec(rest);
  if (named) return [`(?<${named[1]}>`, named[0].length];
  const back = /^\(\?P=([A-Za-z_]\w*)\)/.exec(rest);
  if (back) return [`\\k<${back[1]}>`, back[0].length];
  const plain = /^\(\?(?::|=|!|<=|<!)/.exec(rest);
  if (plain) return [plain[0], plain[0].length];
  return refuse(`"${rest.slice(0, 4)}" is not supported`);
}

/** Translates one escape; gives the text and how much of `rest` it stands for. */
function escape(rest: string, inClass: boolean, refuse: Refuse): [string, number] {
  if (rest.length < 2) refuse("it ends in a lone backslash");
  const char = String.fromCodePoint(rest.codePointAt(1) as number);
  const used = 1 + char.length;
  if (char === "w" || char === "d" || char === "s") return [inClass ? members[char] : `[${members[char]}]`, used];
  if (char === "W" || char === "D" || char === "S") return [`[^${members[char.toLowerCase() as "w"]}]`, used];
  if (!inClass && char === "b") return [boundary, used];
  if (!inClass && char === "B") return [noBoundary, used];
  if (!inClass && char === "A") return [atStart, used];
  if (!inClass && char === "Z") return [atEnd, used];
  if (inClass && char === "b") return ["\\x08", used];
  if (char === "a") return ["\\x07", used];
  if ("fnrtv".includes(char)) return [`\\${char}`, used];
  const code = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(rest);
  if (code) return [`\\u{${code[1] ?? code[2] ?? code[3]}}`, code[0].length];
  const octal = /^\\(0[0-7]{0,2}|[0-3][0-7]{2})/.exec(rest);
  if (octal) return [`\\u{${parseInt(octal[1] as string, 8).toString(16)}}`, octal[0].length];
  const reference = /^\\([1-9]\d?)/.exec(rest);
  if (reference && !inClass) return [`(?:\\${reference[1]})`, reference[0].length];
  if (/[A-Za-z0-9]/.test(char)) refuse(`"\\${char}" is no escape`);
  return [literal(char), used];
}

/** Translates `[…]`. */
function characterClass(rest: string, refuse: Refuse): [string, number] {
  let at = 1;
  let out = "[";
  if (rest[at] === "^") {
    out += "^";
    at += 1;
  }
  for (let first = true; ; first = false) {
    if (at >= rest.length) refuse('a "[" is not closed');
    const char = String.fromCodePoint(rest.codePointAt(at) as number);
    if (char === "]" && !first) return [`${out}]`, at + 1];
    if (char === "\\") {
      const [text, used] = escape(rest.slice(at), true, refuse);
      out += text;
      at += used;
    } else {
      out += char === "-" ? dash(rest, at, first) : literal(char);
      at += char.length;
    }
  }
}

/** A dash makes a range unless it stands at an end of the class or beside `\w` and its like. */
function dash(rest: string, at: number, first: boolean): string {
  const isRange = !first && rest[at + 1] !== "]" && !/\\[wdsWDS]$/.test(rest.slice(0, at));
  return isRange ? "-" : "\\-";
}

function literal(char: string): string {
  return /[A-Za-z0-9_ ]/.test(char) || char > "\x7f" ? char : `\\u{${char.charCodeAt(0).toString(16)}}`;
}
