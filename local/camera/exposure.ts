import type { Card, CardValue } from "../../workloads/src/lib/fits";
import { makeFits } from "./fits";
import type { Detector, Instrument } from "./instruments";

/** One exposure of an instrument. */
export interface Exposure {
  readonly instrument: Instrument;
  /** Day of observation, `YYYYMMDD`; begins at 12:00 UTC. */
  readonly dayObs: string;
  readonly seqNum: number;
  /** `MC_O_20260603_000258`. */
  readonly obsId: string;
  /** Number in the Butler: dayObs followed by five digits of seqNum. */
  readonly exposureId: number;
  /** Name of the group that presence is asked for. */
  readonly groupId: string;
  /** Letter of the system that took it, see {@link Instrument.controllers}. */
  readonly controller: string;
  readonly begin: Date;
  readonly physicalFilter: { readonly name: string; readonly band: string };
}

/** Seconds that TAI is ahead of UTC (no leap second since 2017). */
const taiMinusUtcSeconds = 37;
export const exposureSeconds = 30;
/** Time from one exposure to the next: 30 s of light, the rest is shutter and readout. */
export const cadenceSeconds = 34;
/** Width and height of the image extension, pixels: a real sensor has 4,000, which would make 5,000 objects a day's work. */
const imagePixels = 64;

/** Largest seqNum of a dayObs: exposure ids have five digits for it. */
export const maxSeqNum = 99_999;

/**
 * The exposure with this number. Everything in it follows from instrument, dayObs, seqNum and begin, so the same exposure sent
 * twice is the same bytes.
 * @param beginsAt - Default: follows from dayObs and seqNum.
 */
export function exposureOf(instrument: Instrument, dayObs: string, seqNum: number, beginsAt?: Date): Exposure {
  const noon = parseDayObs(dayObs);
  if (!Number.isInteger(seqNum) || seqNum < 1 || seqNum > maxSeqNum) {
    throw new Error(`seqNum ${seqNum} is not a whole number from 1 to ${maxSeqNum}.`);
  }
  // A day holds 2,541 exposures at this cadence; tests send more, and begin the night again rather than leave the day.
  const seconds = (seqNum * cadenceSeconds) % (86_400 - 2 * cadenceSeconds);
  const begin = beginsAt ?? new Date(noon.getTime() + seconds * 1000 + (seqNum % 1000));
  const usable = instrument.physicalFilters.filter(({ band }) => /^[ugrizy]$/.test(band));
  return {
    instrument,
    dayObs,
    seqNum,
    obsId: `${instrument.code}_O_${dayObs}_${String(seqNum).padStart(6, "0")}`,
    exposureId: Number(dayObs) * 100_000 + seqNum,
    groupId: tai(begin),
    controller: "O",
    begin,
    physicalFilter: usable[seqNum % usable.length] as Exposure["physicalFilter"],
  };
}

/** Noon UTC of the date, at which the day of observation begins. */
export function parseDayObs(dayObs: string): Date {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(dayObs);
  const noon = match ? new Date(`${match[1]}-${match[2]}-${match[3]}T12:00:00Z`) : undefined;
  if (!noon || Number.isNaN(noon.getTime()) || noon.toISOString().slice(0, 10).replaceAll("-", "") !== dayObs) {
    throw new Error(`dayObs "${dayObs}" is not a date written YYYYMMDD.`);
  }
  return noon;
}

/** Key of the FITS file of one detector, by the path grammar of raw buckets. */
export function fitsKey(exposure: Exposure, detector: Detector): string {
  const { instrument, dayObs, obsId } = exposure;
  const suffix = detector.purpose === "GUIDER" ? "_guider" : "";
  return `${instrument.name}/${dayObs}/${obsId}/${obsId}_${detector.raft}_${detector.sensor}${suffix}.fits`;
}

/** Key of the sidecar of a FITS file. */
export function sidecarKey(key: string): string {
  return key.replace(/\.fits$/, ".json");
}

/** Files of one detector: FITS with the header, and the same header as JSON. `more` cards follow those of the exposure. */
export function filesOf(
  exposure: Exposure,
  detector: Detector,
  more: readonly Card[] = [],
): { fits: Buffer; sidecar: Buffer } {
  const cards = [...headerCards(exposure, detector), ...more];
  const header: Record<string, CardValue> = Object.fromEntries(cards.map(([keyword, value]) => [keyword, value]));
  return {
    fits: makeFits(cards, {
      name: "Segment00",
      width: imagePixels,
      height: imagePixels,
      pixels: noise(exposure, detector),
    }),
    sidecar: Buffer.from(`${JSON.stringify(header, null, 1)}\n`),
  };
}

/** Cards of the primary header, as the camera control systems write them; times are TAI. */
export function headerCards(exposure: Exposure, detector: Detector): Card[] {
  const { instrument, dayObs, seqNum, obsId, groupId, controller, begin, physicalFilter } = exposure;
  const end = new Date(begin.getTime() + exposureSeconds * 1000);
  const ra = (seqNum * 3.5) % 360;
  const dec = -30 + ((seqNum * 7) % 50) - 25;
  // LATISS has a filter wheel and a grating wheel, and its physical filter is both names.
  const [filter, grating] = physicalFilter.name.split("~") as [string, string?];
  return [
    ["ORIGIN", "LSST DM Simulated", "made by usdf camera send"],
    ["TIMESYS", "TAI", "time scale of all dates"],
    ["DATE", tai(end), "when this file was made"],
    ["DATE-OBS", tai(begin), "begin of exposure"],
    ["DATE-BEG", tai(begin), "begin of exposure"],
    ["DATE-END", tai(end), "end of exposure"],
    ["MJD", mjdTai(end)],
    ["MJD-OBS", mjdTai(begin)],
    ["MJD-BEG", mjdTai(begin)],
    ["MJD-END", mjdTai(end)],
    ["INSTRUME", instrument.name, "instrument"],
    ["TELESCOP", instrument.telescope, "telescope"],
    ["OBSID", obsId, "name of this exposure"],
    ["CAMCODE", instrument.code, "code of the instrument"],
    ["CONTRLLR", controller, "system that took the exposure"],
    ["DAYOBS", dayObs, "day of observation"],
    ["SEQNUM", seqNum, "number within the day"],
    ["GROUPID", groupId, "group of exposures"],
    ["CURINDEX", 1, "index in the group, from 1"],
    ["MAXINDEX", 1, "exposures in the group"],
    ["IMGTYPE", "OBJECT", "type of image"],
    ["RAFTBAY", detector.raft, "raft bay"],
    ["CCDSLOT", detector.sensor, "slot in the raft"],
    ["DETSIZE", `[1:${imagePixels},1:${imagePixels}]`],
    ["EXPTIME", exposureSeconds, "[s] time of exposure"],
    ["SHUTTIME", exposureSeconds, "[s] shutter open"],
    ["DARKTIME", exposureSeconds, "[s] since last clear"],
    ["FILTER", filter, "physical filter"],
    ["FILTBAND", physicalFilter.band, "band of the filter"],
    ...(grating === undefined ? [] : [["GRATING", grating, "grating"] as const]),
    ["OBJECT", `field-${seqNum % 100}`, "name of the target"],
    ["PROGRAM", "SIMULATED", "observing program"],
    ["REASON", "simulated", "reason of the exposure"],
    ["TRACKSYS", "RADEC", "tracking"],
    ["RADESYS", "ICRS"],
    ["RA", ra, "[deg] boresight"],
    ["DEC", dec, "[deg] boresight"],
    ["RASTART", ra, "[deg] at begin"],
    ["DECSTART", dec, "[deg] at begin"],
    ["RAEND", ra, "[deg] at end"],
    ["DECEND", dec, "[deg] at end"],
    ["ROTPA", 0, "[deg] rotator position angle"],
    ["ROTCOORD", "sky", "frame of ROTPA"],
    ["ELSTART", 60, "[deg] elevation at begin"],
    ["AZSTART", 180, "[deg] azimuth at begin"],
    ["AMSTART", 1.15, "airmass at begin"],
    ["AMEND", 1.15, "airmass at end"],
    ["AIRTEMP", 8.5, "[C]"],
    ["PRESSURE", 743, "[hPa]"],
    ["HUMIDITY", 20, "[%]"],
    ["OBS-LONG", -70.749417, "[deg] east"],
    ["OBS-LAT", -30.244639, "[deg]"],
    ["OBS-ELEV", 2663, "[m]"],
    ["SIMULATE", true, "simulated data"],
  ];
}

/** ISO text of a moment in TAI, to the millisecond, as headers write it. */
function tai(moment: Date): string {
  return new Date(moment.getTime() + taiMinusUtcSeconds * 1000).toISOString().slice(0, -1);
}

function mjdTai(moment: Date): number {
  return 40587 + (moment.getTime() / 1000 + taiMinusUtcSeconds) / 86_400;
}

/** Bias level with read noise; the seed is the exposure and detector, so the bytes repeat. */
function noise(exposure: Exposure, detector: Detector): Uint16Array {
  let state = (Math.imul(exposure.exposureId % 2 ** 31, 2_654_435_761) ^ (detector.id * 40_503)) >>> 0 || 1;
  return Uint16Array.from({ length: imagePixels ** 2 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1000 + (state >>> 28);
  });
}
