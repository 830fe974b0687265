import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, gunzipSync } from "node:zlib";
import { messageOf } from "../../lib/errors";
import { BadAnswer, EfdError, excerpt, refusesQuestion } from "./errors";
import type { Decoder } from "./samples";

/** One request; all are POST. */
export interface Ask {
  /** Path behind the base URL, with its query, e.g. `/query?db=efd`. */
  readonly path: string;
  readonly contentType: string;
  readonly accept: string;
  readonly body: string;
}

export interface TransportOptions {
  /** Base URL without a slash at its end. */
  readonly url: string;
  /** Value of the header `Authorization`. */
  readonly authorization: string | undefined;
  /** Never shown. */
  readonly secrets: readonly string[];
  /** Connections that are kept. */
  readonly connections: number;
  /** Longest time of one request, milliseconds. */
  readonly timeoutMs: number;
  /** Longest time without a byte, once an answer has begun; milliseconds. */
  readonly silenceMs: number;
  readonly gzip: boolean;
}

/** Most bytes of one answer, unpacked. */
const largestAnswer = 2 ** 30;
/** Bytes of a refusal that are read. */
const refusalBytes = 4096;
const longestRetryAfterMs = 30_000;

/** Requests over connections that are kept; each has its limits, none is repeated here. */
export class Transport {
  private readonly agent: HttpAgent;
  private readonly isTls: boolean;

  constructor(private readonly options: TransportOptions) {
    this.isTls = new URL(options.url).protocol === "https:";
    const settings = { keepAlive: true, maxSockets: options.connections, maxFreeSockets: options.connections };
    this.agent = this.isTls ? new HttpsAgent(settings) : new HttpAgent(settings);
  }

  /**
   * Sends a request and decodes the body, unpacked, as it arrives.
   * @param about - What is asked, for messages.
   * @throws EfdError when the answer is refused, late, cut off or not understood; the signal's reason when it is aborted.
   */
  async send<T>(ask: Ask, about: string, signal: AbortSignal, decoder: Decoder<T>): Promise<T> {
    signal.throwIfAborted();
    const { url, timeoutMs, silenceMs } = this.options;
    const late = new AbortController();
    const where = `${url}${ask.path.replace(/\?.*/, "")}`;
    const fail = (what: string, retryable: boolean, more?: { retryAfterMs?: number; cause?: unknown }) =>
      new EfdError(`EFD query for ${about}: ${excerpt(what, this.options.secrets)} (${where})`, retryable, more);
    const whole = setTimeout(() => late.abort(`no whole answer in ${timeoutMs / 1000} s`), timeoutMs);
    let silence: NodeJS.Timeout | undefined;
    try {
      const either = AbortSignal.any([signal, late.signal]);
      const response = await this.begin(ask, either);
      const status = response.statusCode!;
      silence = setTimeout(() => late.abort(`the answer stopped for ${silenceMs / 1000} s`), silenceMs);
      const packed = response.headers["content-encoding"] === "gzip";
      if (status !== 200) {
        const said = await readStart(response, packed);
        const retryAfterMs = retryAfter(response.headers["retry-after"]);
        const retryable = status >= 500 || status === 429 || status === 408;
        throw fail(`HTTP ${status}: ${reasonIn(said)}`, retryable && !(status === 500 && refusesQuestion(said)), { retryAfterMs }); // prettier-ignore
      }
      let bytes = 0;
      const sink = async (source: AsyncIterable<Buffer>) => {
        for await (const piece of source) {
          silence!.refresh();
          bytes += piece.length;
          if (bytes > largestAnswer)
            throw new BadAnswer("the answer is larger than 1 GB; ask for a shorter span", false);
          decoder.push(piece);
        }
      };
      await (packed
        ? pipeline(response, createGunzip({ chunkSize: 256 * 1024 }), sink, { signal: either })
        : pipeline(response, sink, { signal: either }));
      return decoder.end();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof EfdError) throw error;
      if (late.signal.aborted) throw fail(String(late.signal.reason), true);
      if (error instanceof BadAnswer) throw fail(error.message, error.retryable);
      throw fail(`the connection failed or the answer was cut off: ${messageOf(error)}`, true, { cause: error });
    } finally {
      clearTimeout(whole);
      clearTimeout(silence);
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private begin(ask: Ask, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, authorization, gzip } = this.options;
    return new Promise((resolve, reject) => {
      const request = (this.isTls ? httpsRequest : httpRequest)(`${url}${ask.path}`, {
        method: "POST",
        agent: this.agent,
        signal,
        headers: {
          accept: ask.accept,
          "accept-encoding": gzip ? "gzip" : "identity",
          "content-type": ask.contentType,
          "content-length": Buffer.byteLength(ask.body),
          ...(authorization !== undefined && { authorization }),
        },
      });
      request.once("response", resolve);
      request.on("error", reject);
      request.end(ask.body);
    });
  }
}

async function readStart(response: IncomingMessage, packed: boolean): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= refusalBytes) break;
  }
  const start = Buffer.concat(pieces);
  const plain = packed ? gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 20 }) : start;
  return plain.toString("utf8", 0, refusalBytes);
}

/** The text of an error in InfluxDB's JSON; anything else as it is. */
function reasonIn(said: string): string {
  try {
    const { error, message, results } = JSON.parse(said) as { error?: string; message?: string; results?: { error?: string }[] }; // prettier-ignore
    return message ?? error ?? results?.[0]?.error ?? said;
  } catch {
    return said;
  }
}

/** `Retry-After`, seconds or a date, at most 30 s. */
function retryAfter(header: string | undefined): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(longestRetryAfterMs, Math.max(0, ms)) : undefined;
}
