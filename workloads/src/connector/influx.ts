import { Agent as HttpAgent, type ClientRequest, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { messageOf } from "../lib/errors";

export interface InfluxOptions {
  readonly url: string;
  readonly database: string;
  readonly retentionPolicy: string;
  readonly username?: string;
  readonly password?: string;
  /** Longest time of one write, ms. */
  readonly timeoutMs: number;
  /** Most connections. */
  readonly connections: number;
}

/** What InfluxDB says to a write. */
export type WriteAnswer =
  | { readonly kind: "stored" }
  /** Some or all lines are not to its liking, and never will be; the others may be stored. */
  | { readonly kind: "refused"; readonly reason: string; readonly dropped?: number }
  /** The request is too large. */
  | { readonly kind: "too-large"; readonly reason: string }
  /** It cannot now: try the same again. Status 0: no answer. */
  | { readonly kind: "failed"; readonly status: number; readonly reason: string };

/**
 * Writes line protocol by `/write` with basic authentication, which InfluxDB 1.x, Enterprise and 2.x (DBRP mapping and 1.x
 * authorization) all serve.
 */
export class Influx {
  private readonly target: URL;
  private readonly agent: HttpAgent;
  private readonly send: typeof httpRequest;
  private readonly authorization: string | undefined;

  constructor(private readonly options: InfluxOptions) {
    const { url, database, retentionPolicy, username, password, connections } = options;
    this.target = new URL(`${url.replace(/\/+$/, "")}/write`);
    this.target.search = new URLSearchParams({ db: database, rp: retentionPolicy, precision: "ns" }).toString();
    const isTls = this.target.protocol === "https:";
    const keep = { keepAlive: true, maxSockets: connections, scheduling: "lifo" } as const;
    this.agent = isTls ? new HttpsAgent(keep) : new HttpAgent(keep);
    this.send = isTls ? httpsRequest : httpRequest;
    if (username !== undefined)
      this.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  }

  /** Writes once. Never throws. */
  async write(lines: Uint8Array | readonly Uint8Array[]): Promise<WriteAnswer> {
    const parts = lines instanceof Uint8Array ? [lines] : lines;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    let answer: { status: number; text: string };
    try {
      answer = await this.post(parts, length);
    } catch (error) {
      return { kind: "failed", status: 0, reason: messageOf(error) };
    }
    const { status, text } = answer;
    if (status === 204 || status === 200) return { kind: "stored" };
    const reason = reasonIn(text);
    if (status === 413) return { kind: "too-large", reason };
    // 400 and 422 are also what a wrong database or precision gives; those are no fault of the lines.
    const isOfLines =
      /partial write|unable to parse|field type conflict|invalid (point|field|number|boolean|tag)|missing|max key length|too large/i;
    if ((status === 400 || status === 422) && isOfLines.test(reason)) {
      const dropped = /\bdropped=(\d+)/.exec(reason)?.[1];
      return { kind: "refused", reason, ...(dropped !== undefined && { dropped: Number(dropped) }) };
    }
    return { kind: "failed", status, reason };
  }

  /** Ends its connections. */
  close(): void {
    this.agent.destroy();
  }

  private post(parts: readonly Uint8Array[], length: number): Promise<{ status: number; text: string }> {
    const { timeoutMs } = this.options;
    return new Promise((resolve, reject) => {
      const headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": length,
        ...(this.authorization !== undefined && { authorization: this.authorization }),
      };
      let timer: NodeJS.Timeout | undefined = undefined;
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      const request: ClientRequest = this.send(
        this.target,
        { method: "POST", agent: this.agent, headers },
        (response) => {
          const pieces: Buffer[] = [];
          let size = 0;
          response.on("data", (piece: Buffer) => {
            if ((size += piece.length) <= 65_536) pieces.push(piece);
          });
          response.once("error", fail);
          response.once("aborted", () => fail(new Error("the connection ended in the answer")));
          response.once("end", () => {
            clearTimeout(timer);
            resolve({ status: response.statusCode!, text: Buffer.concat(pieces).toString() });
          });
        },
      );
      timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
      request.once("error", fail);
      for (const part of parts) request.write(part);
      request.end();
    });
  }
}

function reasonIn(text: string): string {
  try {
    const { error, message } = JSON.parse(text) as { error?: unknown; message?: unknown };
    return String(message ?? error ?? text).slice(0, 2000);
  } catch {
    return text.slice(0, 2000).trim();
  }
}
