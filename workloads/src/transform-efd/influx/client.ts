import pLimit from "p-limit";
import type { Logger } from "pino";
import { backoffMs, sleep } from "../../lib/process";
import type { EfdClient, FieldType, Series, SeriesQuery } from "../model";
import { EfdError, refusesFieldType } from "./errors";
import { FieldKeys } from "./fieldKeys";
import * as flux from "./flux";
import { FluxDecoder, FluxFields } from "./fluxAnswer";
import * as influxql from "./influxql";
import { InfluxqlDecoder } from "./influxqlAnswer";
import { joinParts, type Part } from "./join";
import type { Decoder } from "./samples";
import { type Ask, Transport } from "./transport";

export interface EfdOptions {
  /** Base URL, see {@link efdUrl}. */
  readonly url: string;
  /** `influxql` for 1.x and 2.x, `flux` for 2.x only; default `influxql`. */
  readonly dialect?: "influxql" | "flux";
  /** Database; with Flux the bucket. Default `efd`. */
  readonly database?: string;
  /** InfluxQL only; default `autogen`. */
  readonly retentionPolicy?: string;
  /** Flux only; default `efd`. */
  readonly org?: string;
  readonly username?: string;
  /** Without it no basic authentication is sent. */
  readonly password?: string;
  /** In place of user and password; Flux needs it. */
  readonly token?: string;
  /** Requests at the same time, of all queries together; default 8. */
  readonly concurrency?: number;
  /** Fields of one request; default 100, as the EFD is asked today. */
  readonly fieldsPerRequest?: number;
  /** Longest time of one request, milliseconds; default 60,000. */
  readonly timeoutMs?: number;
  /** Longest time without a byte once an answer has begun, milliseconds; default 15,000. */
  readonly silenceMs?: number;
  /** Attempts of one request, the first one too; default 4. */
  readonly attempts?: number;
  /** Wait before the second attempt, milliseconds, doubled for each further one; default 250, never above 10,000. */
  readonly backoffMs?: number;
  /** Accept packed answers; default false: packing costs the server as much CPU as the query, and the network has room. */
  readonly gzip?: boolean;
  /** Gets a line for each attempt that failed and is repeated. */
  readonly log?: Pick<Logger, "warn">;
}

/** How long the fields of a topic are known. */
const fieldsLifeMs = 10 * 60_000;
/** Topics whose fields are known at the same time. */
const knownTopics = 200;
const longestBackoffMs = 10_000;
/** Requests that one question may be taken apart into to find the fields whose type an aggregate refuses. */
const mostSplits = 512;

/** The base URL of the EFD; `host` may be a whole URL, which then says everything. One slash between all parts. */
export function efdUrl(host: string, port: number, path: string): string {
  const base = /^https?:\/\//.test(host) ? host : `https://${host}:${port}/${path}`;
  const url = new URL(base);
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+/g, "/").replace(/\/$/, "")}`;
}

/** Reads the EFD over HTTP. Nothing is connected before the first question. */
export function createEfdClient(options: EfdOptions): EfdClient {
  return new InfluxClient(options);
}

class InfluxClient implements EfdClient {
  private readonly transport: Transport;
  private readonly slot: <T>(run: () => Promise<T>) => Promise<T>;
  private readonly fields = new Map<string, { at: number; fields: Promise<ReadonlyMap<string, FieldType>> }>();
  private readonly isFlux: boolean;
  private readonly source: string;

  constructor(private readonly options: EfdOptions) {
    const { url, dialect = "influxql", username, password, token, concurrency = 8 } = options;
    const { database = "efd", retentionPolicy = "autogen" } = options;
    this.isFlux = dialect === "flux";
    this.source = `${influxql.quoted(database)}.${influxql.quoted(retentionPolicy)}`;
    const basic = username && password ? Buffer.from(`${username}:${password}`).toString("base64") : undefined;
    this.transport = new Transport({
      url: url.replace(/\/+$/, ""),
      authorization: token ? `Token ${token}` : basic && `Basic ${basic}`,
      secrets: [password, token, basic].filter((secret) => secret !== undefined),
      connections: concurrency,
      timeoutMs: options.timeoutMs ?? 60_000,
      silenceMs: options.silenceMs ?? 15_000,
      gzip: options.gzip ?? false,
    });
    this.slot = pLimit(concurrency);
  }

  async query(query: SeriesQuery, signal: AbortSignal): Promise<Series> {
    if (query.span.endNs < query.span.beginNs) throw new RangeError(`EFD query for ${query.topic}: its span ends before it begins`); // prettier-ignore
    const lists = this.fieldLists(query);
    const refused = new Set<string>();
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const budget = { left: mostSplits };
    // The first failure ends the other requests of this question; its error is the one that is thrown.
    const parts = await Promise.all(
      lists.map((fields) =>
        this.part(query, fields, refused, budget, either).catch((error) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    return joinParts(query, parts.flat(), refused);
  }

  textsOf(query: SeriesQuery): readonly string[] {
    return this.fieldLists(query).map((fields) => this.text(query, fields));
  }

  fieldsOf(topic: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldType>> {
    const known = this.fields.get(topic);
    if (known && Date.now() - known.at < fieldsLifeMs) return known.fields;
    const fields = this.askFields(topic, signal);
    this.fields.delete(topic);
    if (this.fields.size >= knownTopics) this.fields.delete(this.fields.keys().next().value!);
    this.fields.set(topic, { at: Date.now(), fields });
    fields.catch(() => {
      if (this.fields.get(topic)?.fields === fields) this.fields.delete(topic);
    });
    return fields;
  }

  close(): Promise<void> {
    this.transport.close();
    return Promise.resolve();
  }

  private fieldLists({ fields }: SeriesQuery): string[][] {
    const distinct = [...new Set(fields)];
    const lists = Math.ceil(distinct.length / (this.options.fieldsPerRequest ?? 100));
    const size = Math.ceil(distinct.length / lists);
    return Array.from({ length: lists }, (_, list) => distinct.slice(list * size, (list + 1) * size));
  }

  private text(query: SeriesQuery, fields: readonly string[]): string {
    return this.isFlux
      ? flux.seriesText(this.options.database ?? "efd", query, fields)
      : influxql.seriesText(this.source, query, fields);
  }

  /**
   * Some fields of a question. An aggregate over text is refused as a whole: then the fields are asked for in halves, so that
   * one field that became text costs no other one.
   */
  private async part(
    query: SeriesQuery,
    fields: readonly string[],
    refused: Set<string>,
    budget: { left: number },
    signal: AbortSignal,
  ): Promise<Part[]> {
    const text = this.text(query, fields);
    const origin = query.span.beginNs;
    const about = `${query.topic} (${fields.length === 1 ? `field ${fields[0]}` : `${fields.length} fields from ${fields[0]}`})`; // prettier-ignore
    try {
      const series = await this.ask(this.series(text, fields.length), about, signal, () =>
        this.isFlux ? new FluxDecoder(fields, origin) : new InfluxqlDecoder(fields, origin),
      );
      return [{ fields, series }];
    } catch (error) {
      if (!query.preAggregate || !refusesFieldType(error) || budget.left-- <= 0) throw error;
      if (fields.length === 1) {
        refused.add(fields[0]!);
        return [];
      }
      const half = fields.length >> 1;
      const halves = [fields.slice(0, half), fields.slice(half)];
      return (await Promise.all(halves.map((list) => this.part(query, list, refused, budget, signal)))).flat();
    }
  }

  private askFields(topic: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldType>> {
    const text = `SHOW FIELD KEYS FROM ${this.source}.${influxql.quoted(topic)}`;
    const ask = this.isFlux ? this.series(flux.fieldsText(this.options.database ?? "efd", topic), 0) : this.influxql(text, {}); // prettier-ignore
    return this.ask(ask, `the fields of ${topic}`, signal, () => (this.isFlux ? new FluxFields() : new FieldKeys()));
  }

  private series(text: string, fields: number): Ask {
    if (!this.isFlux) return this.influxql(text, influxql.seriesParameters(fields));
    return {
      path: `/api/v2/query?${new URLSearchParams({ org: this.options.org ?? "efd" })}`,
      contentType: "application/json",
      accept: "application/csv",
      body: flux.fluxBody(text),
    };
  }

  private influxql(text: string, parameters: Record<string, string>): Ask {
    return {
      path: `/query?${new URLSearchParams({ db: this.options.database ?? "efd" })}`,
      contentType: "application/x-www-form-urlencoded",
      accept: "application/json",
      body: String(new URLSearchParams({ q: text, ...parameters })),
    };
  }

  /** One request, repeated within its bound; each attempt decodes anew, so nothing of a broken answer is kept. */
  private async ask<T>(ask: Ask, about: string, signal: AbortSignal, decoder: () => Decoder<T>): Promise<T> {
    const { attempts = 4, backoffMs: base = 250, log } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.slot(() => this.transport.send(ask, about, signal, decoder()));
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof EfdError) || !error.retryable) throw error;
        if (attempt >= attempts)
          throw new EfdError(`${error.message}, ${attempt} attempts`, true, { cause: error, retryAfterMs: error.retryAfterMs }); // prettier-ignore
        const waitMs = Math.max(backoffMs(attempt, base, longestBackoffMs), error.retryAfterMs ?? 0);
        log?.warn({ event: "efd_request_repeated", attempt, waitMs, error: error.message }, "EFD request is repeated");
        await sleep(waitMs, signal);
        signal.throwIfAborted();
      }
    }
  }
}
