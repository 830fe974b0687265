import { FacilityError, messageOf } from "./errors";
import { backoffMs, sleep } from "./process";

/** The server refuses, or does not answer within the bound. */
export class InfluxdbError extends FacilityError {
  readonly code = "INFLUXDB";
  constructor(
    message: string,
    readonly retryable: boolean,
    readonly status?: number,
  ) {
    super(message);
  }
}

/** Who asks: a token of InfluxDB 2, or a user with basic authentication. */
export type Login = { readonly token: string } | { readonly username: string; readonly password: string };

export interface InfluxdbClientOptions {
  readonly url: string;
  readonly timeoutMs: number;
  /** How long a server that does not answer is asked again. */
  readonly waitMs: number;
  readonly stop?: AbortSignal;
}

/** Answers that may be others a moment later. */
const transient = [408, 429, 500, 502, 503, 504];

/** An InfluxDB over HTTP. A server that does not answer is asked again within the bound. */
export class InfluxdbClient {
  readonly url: string;
  constructor(private readonly options: InfluxdbClientOptions) {
    this.url = options.url.replace(/\/+$/, "");
  }

  /**
   * One request. A body that is an object goes as JSON, form parameters as a form.
   * @param login - Default: nobody.
   * @throws {@link InfluxdbError} with the server's words.
   */
  async request<T>(method: string, path: string, body?: object, login?: Login): Promise<T> {
    const text = await this.text(method, path, body, login);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** {@link request} for an answer that is no JSON. */
  async text(method: string, path: string, body?: object, login?: Login): Promise<string> {
    const isForm = body instanceof URLSearchParams;
    const deadlineMs = Date.now() + this.options.waitMs;
    for (let attempt = 1; ; attempt++) {
      let failure: InfluxdbError;
      try {
        const response = await fetch(`${this.url}${path}`, {
          method,
          headers: { ...authorization(login), ...(body && !isForm && { "content-type": "application/json" }) },
          body: body && (isForm ? body : JSON.stringify(body)),
          signal: AbortSignal.timeout(this.options.timeoutMs),
        });
        const text = await response.text();
        if (response.ok) return text;
        const words = `InfluxDB answers ${method} ${this.url}${path} with ${response.status}: ${text.slice(0, 300).trim()}`;
        failure = new InfluxdbError(words, transient.includes(response.status), response.status);
      } catch (error) {
        const { cause } = error as { cause?: unknown };
        const reason = messageOf(cause ?? error);
        const words = `InfluxDB at ${this.url} does not answer ${method} ${path}: ${reason}. See whether it runs.`;
        failure = new InfluxdbError(words, true);
      }
      if (!failure.retryable || Date.now() > deadlineMs || this.options.stop?.aborted) throw failure;
      await sleep(Math.min(backoffMs(attempt, 200, 5000), Math.max(0, deadlineMs - Date.now())), this.options.stop);
    }
  }

  /** Statements of InfluxQL. @returns the rows of the last one, as objects by column. @throws {@link InfluxdbError} */
  async influxql(q: string, login?: Login): Promise<Record<string, unknown>[]> {
    // In the body: what is in the URL is in logs, and here are passwords.
    const { results } = await this.request<InfluxqlAnswer>("POST", "/query", new URLSearchParams({ q }), login);
    const error = results.find((result) => result.error !== undefined)?.error;
    if (error !== undefined) throw new InfluxdbError(`InfluxDB refuses ${withoutPassword(q)}: ${error}.`, false);
    return (results.at(-1)?.series ?? []).flatMap(({ columns, values = [] }) =>
      values.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]]))),
    );
  }

  /** Whether that user has that password. A 1.x without users refuses everyone with 403. */
  async knows(username: string, password: string): Promise<boolean> {
    try {
      await this.influxql("SHOW DATABASES", { username, password });
      return true;
    } catch (error) {
      if (error instanceof InfluxdbError && (error.status === 401 || error.status === 403)) return false;
      throw error;
    }
  }
}

interface InfluxqlAnswer {
  readonly results: { readonly error?: string; readonly series?: { columns: string[]; values?: unknown[][] }[] }[];
}

/** Header that logs in. */
export function authorization(login: Login | undefined): Record<string, string> {
  if (login === undefined) return {};
  if ("token" in login) return { authorization: `Token ${login.token}` };
  return { authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}` };
}

function withoutPassword(q: string): string {
  return q.replace(/(PASSWORD(?: FOR "[^"]*" =)?) '(?:[^'\\]|\\.)*'/g, "$1 [secret]");
}
