import type { Camera } from "../lib/cameras";
import type { CardValue, Header } from "../lib/fits";
import { taiNsOf, utcNsOf } from "../lib/tai";
import type { Pointing } from "./rawGroup";

/** What a next_visit tells of an exposure, from its header. */
export interface ObservedSky {
  readonly pointing: Pointing;
  readonly beginTaiMs: number;
  readonly physicalFilter: string;
}

/** TAI of a moment in UTC, ms since 1970; and back. */
export const taiMsOf = (utcMs: number): number => Number(taiNsOf(BigInt(Math.round(utcMs)) * 1_000_000n)) / 1e6;
export const utcMsOf = (taiMs: number): number => Number(utcNsOf(BigInt(Math.round(taiMs)) * 1_000_000n)) / 1e6;

/** @throws Error that names the keyword which is missing or no such value. */
export function observedSky(camera: Camera, header: Header): ObservedSky {
  return camera.family === "lsst" ? lsstSky(camera, header) : hscSky(header);
}

/** Header cards with which an exposure was taken at another moment: all moments that the header has, TAI or (HSC) UTC. */
export function shiftedTimes(
  camera: Camera,
  header: Header,
  { fromTaiMs, toTaiMs }: { readonly fromTaiMs: number; readonly toTaiMs: number },
): Record<string, CardValue> {
  const byMs = camera.family === "lsst" ? toTaiMs - fromTaiMs : utcMsOf(toTaiMs) - utcMsOf(fromTaiMs);
  const [texts, days] = camera.family === "lsst" ? [lsstTexts, lsstDays] : [[], hscDays];
  const cards: Record<string, CardValue> = {};
  for (const keyword of texts) {
    const value = header[keyword];
    if (typeof value === "string" && !Number.isNaN(isoMs(value))) cards[keyword] = isoText(isoMs(value) + byMs);
  }
  for (const keyword of days) {
    const value = header[keyword];
    if (typeof value === "number") cards[keyword] = Number((value + byMs / 86_400_000).toFixed(8));
  }
  if (camera.family !== "lsst") Object.assign(cards, shiftedHsc(header, byMs));
  return cards;
}

const lsstTexts = ["DATE", "DATE-OBS", "DATE-BEG", "DATE-END", "DATE-TRG"];
const lsstDays = ["MJD", "MJD-OBS", "MJD-BEG", "MJD-END", "MJD-TRG"];
const hscDays = ["MJD", "MJD-STR", "MJD-END"];
const hscTimes = ["UT", "UT-STR", "UT-END"];

function lsstSky(camera: Camera, header: Header): ObservedSky {
  const [ra, dec, rotation] = [numberOf(header, "RA"), numberOf(header, "DEC"), numberOf(header, "ROTPA")];
  const begin = header["DATE-BEG"];
  const beginTaiMs = typeof begin === "string" ? isoMs(begin) : NaN;
  if (Number.isNaN(beginTaiMs)) throw new Error(`DATE-BEG is ${JSON.stringify(begin)}, not a time`);
  const filter = header.FILTER;
  if (typeof filter !== "string" || filter === "") throw new Error(`FILTER is ${JSON.stringify(filter)}, not a name`);
  return {
    pointing: { position: ra === null || dec === null ? null : [ra, dec], rotation },
    beginTaiMs,
    physicalFilter: camera.name === "LATISS" ? latissFilter(filter, header.GRATING) : filter,
  };
}

/** LATISS has two wheels, and its physical filter is both names; those of empty places carry numbers in headers. */
function latissFilter(filter: string, grating: unknown): string {
  if (filter.includes("~")) return filter;
  const name = (text: unknown) => (typeof text !== "string" || /^empty(_\d+)?$/.test(text) ? "empty" : text);
  return `${name(filter)}~${name(grating)}`;
}

function hscSky(header: Header): ObservedSky {
  const position = [sexagesimal(header.RA2000), sexagesimal(header.DEC2000)];
  const [hours, degrees] = position;
  const instrumentAngle = numberOf(header, "INST-PA") ?? 0;
  const filter = header.FILTER01;
  const mjd = header["MJD-STR"] ?? header.MJD;
  if (hours === undefined || degrees === undefined) throw new Error("it has no RA2000 and DEC2000");
  if (typeof mjd !== "number") throw new Error("it has no MJD-STR");
  if (typeof filter !== "string") throw new Error("it has no FILTER01");
  return {
    pointing: { position: [hours * 15, degrees], rotation: (((270 - instrumentAngle) % 360) + 360) % 360 },
    beginTaiMs: taiMsOf((mjd - 40_587) * 86_400_000),
    physicalFilter: filter,
  };
}

/** The day and the times of day of HSC, which are UTC; each time is of the day that it falls on after DATE-OBS begins. */
function shiftedHsc(header: Header, byMs: number): Record<string, CardValue> {
  const date = header["DATE-OBS"];
  const start = header["UT-STR"] ?? header.UT;
  if (typeof date !== "string" || typeof start !== "string") return {};
  const midnight = Date.parse(`${date}T00:00:00Z`);
  const cards: Record<string, CardValue> = {};
  for (const keyword of hscTimes) {
    const seconds = sexagesimal(header[keyword]);
    if (seconds === undefined) continue;
    cards[keyword] = new Date(midnight + seconds * 3_600_000 + byMs).toISOString().slice(11, -1);
  }
  const begin = sexagesimal(start);
  if (begin !== undefined) cards["DATE-OBS"] = new Date(midnight + begin * 3_600_000 + byMs).toISOString().slice(0, 10);
  return cards;
}

/** `hh:mm:ss.s` or `±dd:mm:ss.s` as hours or degrees. */
function sexagesimal(value: unknown): number | undefined {
  const [, sign, ...parts] =
    /^([+-]?)(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(typeof value === "string" ? value.trim() : "") ?? [];
  if (sign === undefined) return undefined;
  const [whole, minutes, seconds] = parts.map(Number) as [number, number, number];
  return (sign === "-" ? -1 : 1) * (whole + minutes / 60 + seconds / 3600);
}

function numberOf(header: Header, keyword: string): number | null {
  const value = header[keyword];
  if (value === undefined || value === null) return null;
  if (typeof value !== "number") throw new Error(`${keyword} is ${JSON.stringify(value)}, not a number`);
  return value;
}

/** A time of a header without zone, as if it were UTC: ms since 1970. */
function isoMs(text: string): number {
  return /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text) ? Date.parse(`${text}Z`) : NaN;
}

function isoText(ms: number): string {
  return new Date(ms).toISOString().slice(0, -1);
}
