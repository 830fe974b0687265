import type { Span } from "../../workloads/src/transform-efd/model";
import { taiNsOf } from "../../workloads/src/lib/tai";
import type { Topic } from "./telemetryTopics";

/** A packed row is sent when its last sample is taken, and then needs a moment, ns. */
const packedDelayNs = 5_000_000n;

/**
 * What one device reports on one topic, for all times: row `k` follows from topic, device, seed and `k` alone. A value is a
 * wave (one for the topic, with an amplitude and a phase of each field) and noise, as a 32-bit float, which most fields are.
 */
export class Signal {
  private readonly hash: number;
  private readonly phaseNs: bigint;
  private readonly waveSeconds: number;
  private readonly periodSeconds: number;
  private readonly phaseSeconds: number;
  private readonly shapes: readonly Shape[];

  constructor(
    readonly topic: Topic,
    readonly salIndex: number | undefined,
    seed = 1,
  ) {
    this.hash = mix(textHash(topic.name) ^ Math.imul(salIndex ?? 0, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b));
    this.phaseNs = (topic.periodNs * BigInt(this.hash % 800)) / 1000n;
    this.periodSeconds = Number(topic.periodNs) / 1e9;
    this.phaseSeconds = Number(this.phaseNs) / 1e9;
    this.waveSeconds = 40 + (this.hash % 400);
    this.shapes = topic.fields.map((field) => shapeOf(field, mix(this.hash ^ textHash(field))));
  }

  /** Number of the first row at or after a time. */
  firstRow(timeNs: bigint): number {
    const { periodNs } = this.topic;
    let row = Number((timeNs - this.phaseNs) / periodNs) - 3;
    while (this.timeNs(row) < timeNs) row++;
    return row;
  }

  /** Time of a row, as InfluxDB keeps it: whole microseconds, which is what a message's stamp in seconds can tell. */
  timeNs(row: number): bigint {
    const { periodNs, samplesPerRow } = this.topic;
    const atNs = BigInt(row) * periodNs + this.phaseNs + this.jitterNs(row);
    const sentNs = samplesPerRow === 1 ? atNs : atNs + periodNs + packedDelayNs;
    return (sentNs / 1000n) * 1000n;
  }

  /** Time of the first sample in a packed row, whole milliseconds, UTC. */
  packedBeginNs(row: number): bigint {
    return ((BigInt(row) * this.topic.periodNs + this.phaseNs) / 1_000_000n) * 1_000_000n;
  }

  /** `cRIO_timestamp` of a packed row: seconds in TAI. */
  packedTimestamp(row: number): number {
    return Number(taiNsOf(this.packedBeginNs(row)) / 1_000_000n) / 1000;
  }

  /** Calls back with each value of a row: index of the field, index of the sample in the row, value. */
  eachValue(row: number, found: (field: number, sample: number, value: number) => void): void {
    const { samplesPerRow } = this.topic;
    for (let sample = 0; sample < samplesPerRow; sample++) {
      const number = row * samplesPerRow + sample;
      const seconds = (number * this.periodSeconds) / samplesPerRow + this.phaseSeconds;
      const turn = ((seconds % this.waveSeconds) / this.waveSeconds) * 2 * Math.PI;
      const sine = Math.sin(turn);
      const cosine = Math.cos(turn);
      const noiseHash = mix(number ^ Math.imul(Math.floor(number / 2 ** 32), 0xc2b2ae35) ^ this.hash);
      for (let field = 0; field < this.shapes.length; field++) {
        const { base, sineAmplitude, cosineAmplitude, noise, hash } = this.shapes[field]!;
        const random = mix(noiseHash ^ hash) / 2 ** 32 - 0.5;
        found(field, sample, Math.fround(base + sineAmplitude * sine + cosineAmplitude * cosine + noise * random));
      }
    }
  }

  private jitterNs(row: number): bigint {
    const tenthNs = Number(this.topic.periodNs) / 10;
    return BigInt(Math.floor((mix(row ^ this.hash) / 2 ** 32) * tenthNs));
  }
}

/** Signals of every device of a topic. */
export function signalsOf(topic: Topic, seed?: number): Signal[] {
  const devices = topic.salIndices.length > 0 ? topic.salIndices : [undefined];
  return devices.map((salIndex) => new Signal(topic, salIndex, seed));
}

/** Samples of one device. */
export interface Samples {
  /** Ascending; of a packed series, when each was taken. */
  readonly timesNs: readonly bigint[];
  /** By field, as long as `timesNs`. */
  readonly values: ReadonlyMap<string, readonly number[]>;
}

/**
 * The samples of one device whose times are in a span, both ends included: what a person would compute a summary from.
 */
export function samplesOf(signal: Signal, span: Span): Samples {
  const { fields, samplesPerRow, periodNs } = signal.topic;
  const timesNs: bigint[] = [];
  const values = fields.map((): number[] => []);
  const stepNs = periodNs / BigInt(samplesPerRow);
  for (let row = signal.firstRow(span.beginNs) - 2; signal.timeNs(row) <= span.endNs + 3n * periodNs; row++) {
    const beginNs = samplesPerRow === 1 ? signal.timeNs(row) : signal.packedBeginNs(row);
    const isWithin = Array.from({ length: samplesPerRow }, (_, sample) => {
      const timeNs = beginNs + BigInt(sample) * stepNs;
      const is = timeNs >= span.beginNs && timeNs <= span.endNs;
      if (is) timesNs.push(timeNs);
      return is;
    });
    if (isWithin.includes(true))
      signal.eachValue(row, (field, sample, value) => {
        if (isWithin[sample]) values[field]!.push(value);
      });
  }
  return { timesNs, values: new Map(fields.map((field, index) => [field, values[index]!])) };
}

/** How a field moves. */
interface Shape {
  readonly base: number;
  readonly sineAmplitude: number;
  readonly cosineAmplitude: number;
  readonly noise: number;
  readonly hash: number;
}

function shapeOf(field: string, hash: number): Shape {
  if (isInteger(field)) {
    return { base: Number(/\d+$/.exec(field)?.[0] ?? 0), sineAmplitude: 0, cosineAmplitude: 0, noise: 0, hash };
  }
  const amplitude = 0.5 + (hash % 1000) / 100;
  const angle = ((hash >>> 10) / 2 ** 22) * 2 * Math.PI;
  return {
    base: ((hash >>> 4) % 4001) / 10 - 200,
    sineAmplitude: amplitude * Math.cos(angle),
    cosineAmplitude: amplitude * Math.sin(angle),
    noise: amplitude / 5,
    hash,
  };
}

/** Fields that hold whole numbers, by name. */
export function isInteger(field: string): boolean {
  return field.startsWith("nollZernikeIndices");
}

/** A good 32-bit hash of a 32-bit number, not negative. */
function mix(number: number): number {
  let hash = number | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
