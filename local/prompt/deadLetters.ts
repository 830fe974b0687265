import type { Redis } from "ioredis";
import { parkedLetters, type ParkedLetter, removeLetters, reviveLetter } from "../../workloads/src/lib/visits";
import { CommandError, exitCodes } from "../exit";
import { type PromptOptions, withPromptRedis } from "./connection";

/** Which dead letters. */
export interface LetterChoice {
  readonly code?: string;
  readonly stage?: string;
  readonly instrument?: string;
}

/** Letters that are read at once. */
const page = 1_000;

export async function listLetters(options: PromptOptions & LetterChoice & { limit: number }): Promise<void> {
  await withPromptRedis(options, async (redis) => {
    const letters: ParkedLetter[] = [];
    for await (const letter of chosen(redis, options)) {
      letters.push(letter);
      if (letters.length === options.limit) break;
    }
    if (options.json) {
      const plain = letters.map((letter) => ({ ...letter, payload: letter.payload.toString("base64") }));
      return console.log(JSON.stringify({ deadLetters: plain }, undefined, 2));
    }
    for (const letter of letters) console.log(textOf(letter));
    const more = letters.length === options.limit ? `; more with --limit` : "";
    console.log(`${letters.length} dead letter${letters.length === 1 ? "" : "s"}${more}`);
  });
}

function textOf({ id, stage, code, reason, instrument, group, detector, source, attempts, at }: ParkedLetter): string {
  const what = [instrument, group, detector].filter((one) => one !== undefined).join(" ");
  const tried = attempts > 0 ? `, ${attempts} attempt${attempts === 1 ? "" : "s"}` : "";
  return [`${id}  ${stage}  ${code}${what && `  ${what}`}`, `  ${at}${tried}, from ${source}`, `  ${reason}`].join(
    "\n",
  );
}

export async function handleLetters(
  action: "retry" | "drop",
  ids: readonly string[],
  options: PromptOptions & LetterChoice & { all?: boolean },
): Promise<void> {
  const { all, code, stage, instrument } = options;
  if (ids.length === 0 && !all && [code, stage, instrument].every((one) => one === undefined)) {
    const message = `Which ones? Give ids, --code, --stage, --instrument or --all: usdf prompt dead-letters ${action} --all`;
    throw new CommandError(message, exitCodes.usage);
  }
  await withPromptRedis(options, async (redis) => {
    const wanted: ParkedLetter[] = [];
    for await (const letter of chosen(redis, options))
      if (ids.length === 0 || ids.includes(letter.id)) wanted.push(letter);
    const done: string[] = [];
    const kept: ParkedLetter[] = [];
    for (const letter of wanted) {
      const isDone =
        action === "drop"
          ? (await removeLetters(redis, [letter.id])) > 0
          : (await reviveLetter(redis, letter)) !== undefined;
      if (isDone) done.push(letter.id);
      else kept.push(letter);
    }
    const missing = ids.filter((id) => !wanted.some((letter) => letter.id === id));
    if (options.json) {
      const result = { [action === "retry" ? "retried" : "dropped"]: done, kept: kept.map(({ id }) => id), missing };
      console.log(JSON.stringify(result, undefined, 2));
    } else {
      console.log(`${done.length} dead letters ${action === "retry" ? "are done again" : "dropped"}`);
      for (const { id } of kept) console.log(`${id} stays: ${whyKept}.`);
      for (const id of missing) console.log(`No dead letter: ${id}`);
    }
    if (missing.length + kept.length > 0) process.exitCode = exitCodes.failed;
  });
}

/** `dead-letters retry` cannot do everything again. */
const whyKept =
  "it is gone, was too long to be kept whole, or tells of something that nothing can be done about again. Look into it, then drop it";

async function* chosen(redis: Redis, { code, stage, instrument }: LetterChoice): AsyncGenerator<ParkedLetter> {
  for (let before = ""; ;) {
    const letters = await parkedLetters(redis, { count: page, before });
    for (const letter of letters) {
      const fits = [
        [code, letter.code],
        [stage, letter.stage],
        [instrument, letter.instrument],
      ].every(([wanted, is]) => wanted === undefined || wanted === is);
      if (fits) yield letter;
    }
    if (letters.length < page) return;
    before = letters[letters.length - 1]!.id;
  }
}
