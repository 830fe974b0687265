import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

export interface Answer {
  readonly status: number;
  /** Of `Retry-After` in seconds. */
  readonly retryAfterMs?: number;
  /** First characters of the body. */
  readonly text: string;
}

/** No answer in time: the worker may be at it still. */
export class PostTimeoutError extends Error {}

const textLimit = 500;

/** POSTs CloudEvents on kept connections. Not fetch(): that one gives up after five minutes without an answer. */
export class Poster {
  private readonly agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };

  private readonly underWay = new Set<ClientRequest>();

  /** @param leaving - Ends every POST. */
  constructor(
    private readonly timeoutMs: number,
    leaving: AbortSignal,
  ) {
    leaving.addEventListener("abort", () => {
      for (const outgoing of this.underWay) outgoing.destroy(new Error("told to stop"));
    });
  }

  /** @throws {@link PostTimeoutError}, or the error of the connection. */
  post(url: string, body: string): Promise<Answer> {
    const isTls = url.startsWith("https:");
    return new Promise((resolve, reject) => {
      const send = isTls ? httpsRequest : httpRequest;
      const headers = { "content-type": "application/cloudevents+json", "content-length": Buffer.byteLength(body) };
      const agent = isTls ? this.agents.https : this.agents.http;
      const outgoing = send(url, { method: "POST", agent, headers }, (incoming) => {
        answerOf(incoming).then(resolve, reject).finally(settle);
      });
      const limit = setTimeout(() => {
        outgoing.destroy(new PostTimeoutError(`no answer in ${this.timeoutMs / 1000} s`));
      }, this.timeoutMs);
      const settle = () => {
        clearTimeout(limit);
        this.underWay.delete(outgoing);
      };
      this.underWay.add(outgoing);
      outgoing.on("error", (error) => {
        settle();
        reject(error);
      });
      outgoing.end(body);
    });
  }
}

async function answerOf(incoming: IncomingMessage): Promise<Answer> {
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) if (text.length < textLimit) text += chunk as string;
  const retryAfter = incoming.headers["retry-after"] ?? "";
  return {
    status: incoming.statusCode ?? 0,
    ...(/^\d+$/.test(retryAfter) && { retryAfterMs: Number(retryAfter) * 1000 }),
    text: text.slice(0, textLimit).trim(),
  };
}
