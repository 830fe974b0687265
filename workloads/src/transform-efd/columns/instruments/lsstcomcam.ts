import { amend, each, expand, jitter, latest, max, mean, min, stddev, times, unnamed } from "../family";
import type { ColumnEntry, ColumnFile } from "../model";
import { accelerations, air, airFlow, dimm, domeTemperature, pointing, sonicTemperature, temperatures, windSpeed } from "./shared"; // prettier-ignore

const encoders = {
  topic: "MTMount.encoder",
  fields: "{axis}EncoderAbsolutePosition{head}",
  about: "{axis} absolute position read by each encoder head.",
  over: times(each("axis", ["azimuth", "elevation"]), each("head", [0, 1, 2, 3])),
};
/** Angles come first, then positions. */
const hexapodAxes = [
  ...["u", "v", "w"].map((axis) => ({ axis, unit: "deg", kind: "angle" })),
  ...["x", "y", "z"].map((axis) => ({ axis, unit: "um", kind: "position" })),
];
/** Events say what holds until the next one: the hour before an exposure belongs to it. */
const event = { stats: [latest], startOffsetHours: -1 };
const unpivoted = { tables: "unpivoted" } as const;
const everySecond = { stats: [mean], preAggregate: "1s" };
const micron = "The unit of angle-related elements is arcsec instead of micron.";
const rings = [
  "LG2-1 A5/A6 OD",
  "LG2-2 A1 INNER",
  "LG2-3 A1 OUTER",
  "LG2-4 A1 OD",
  "LG3-1 A4 INNER",
  "LG3-2 A2/A3 INNER (not mounted)",
  "LG3-3 A2/A3 OUTER",
  "LG3-4 A2/A3 OD",
  "LG4-1 A4 OUTER",
  "LG4-2 A4 OD",
  "LG4-3 A5/A6 OUTER",
  "LG4-4 A5/A6 INNER",
];
/** One field of each is not the one that the others would lead to expect, see the notes of `usdf efd columns --check`. */
const vibration = [
  { statistic: mean, last: "accelerationPSDZ99" },
  { statistic: stddev, last: "accelerationPSDZ100" },
  { statistic: max, last: "accelerationPSDZ101" },
  { statistic: min, last: "accelerationPSDZ102" },
];

/** Written like this in the tables' comments. */
const slips: Record<string, Partial<ColumnEntry>> = {
  mt_salindex110_sonic_temperature_stddev_mean: {
    description:
      "Standard deviation of the mean standard deviation of sonic temperature (air temperature measured sonically) estimated from quartiles.",
  },
  mt_salindex112_temperature_0_mean: { description: "Mean UNKNOWN temperature item 0." },
  mt_salindex112_temperature_0_stddev: { description: "Standard deviation of the UNKNOWN temperature item 0." },
  mt_salindex112_temperature_0_min: { description: "Minimum UNKNOWN temperature item 0." },
  mt_salindex112_temperature_0_max: { description: "Maximum UNKNOWN temperature item 0." },
  mt_salindex112_temperature_1_mean: { description: "Mean UNKNOWN temperature item 1." },
  mt_salindex112_temperature_3_stddev: { description: "Standard deviation of the UNKNOWN temperature item 3." },
  m2_stress: { ivoa: { ucd: "meta.ucd" } },
  mt_salindex104_m1m3_angular_acceleration_x_mean: { description: "Mean accelerometer data angular Acceleration X." },
  camera_hexapod_compensation_offset_w: { ivoa: { unit: "deg", ucd: "meta.ucd;stat" } },
};

/** The Simonyi telescope with its commissioning camera. */
export const lsstcomcam: ColumnFile = {
  version: "1.0.0",
  columns: amend(
    expand(
      {
        ...encoders,
        name: "mt_{axis}_encoder_absolute_position_{head}_rms_jitter",
        tables: "exposure",
        unit: '""',
        stats: [jitter],
      },
      sonicTemperature("mt", 110),
      windSpeed("mt", 110, " in TMA-GillLabJack01"),
      airFlow("mt", 301, "stddev"),
      thermometers(1, 1, "MTCameraAssembly-ESS01 "),
      thermometers(111, [101, 111], "MTCameraAssembly-ESS01 "),
      thermometers(112, [102, 112], ""),
      thermometers(113, [103, 113], ""),
      thermometers(106, 106, "M2-ESS01 "),
      thermometers(107, 107, "Laser-ESS01, Laser-ESS02 "),
      thermometers(108, 108, "CBP-ESS01 "),
      thermometers(301, 301, "weather tower air "),
      dimm("mt"),
      { ...encoders, name: "mt_{axis}_encoder_absolute_position_{head}", unit: "deg", stats: [mean] },
      {
        name: "mt_hexapod_uncompensated_position_{axis}",
        topic: "MTHexapod.logevent_uncompensatedPosition",
        fields: "{axis}",
        about: "{AXIS}{kind}.",
        unit: "{unit}",
        stats: [mean, max, min],
        over: hexapodAxes.map((words) => ({ ...words, kind: words.kind === "angle" ? " angle" : "-axis position" })),
      },
      ...[111, 112, 113].map((salIndex) => air("mt", "dewpoint", salIndex, "dew point.")),
      ...[111, 112, 113].map((salIndex) => air("mt", "relative_humidity", salIndex, "relative humidity.")),
      ...[113, 301].map((salIndex) => air("mt", "pressure", salIndex, "pressure.")),
      pointing("mt", "MTPtg.mountPosition", "azimuthActualPosition and elevationActualPosition"),
      {
        name: "mt_pointing_mount_position_rotator",
        topic: "MTPtg.mountPosition",
        fields: "rotatorActualPosition",
        about: "rotator axis position reported by rotator component.",
        unit: "deg",
        stats: [mean, stddev],
      },
      ...["camera", "m2"].map((hexapod) =>
        expand({
          ...event,
          name: `${hexapod}_hexapod_aos_corrections_{axis}`,
          topic: `MTAOS.logevent_${hexapod}HexapodCorrection`,
          fields: "{axis}",
          about: "{AXIS} position offset.",
          unit: "{unit}",
          over: hexapodAxes,
        }),
      ),
      ...["M2", "M1M3"].map((mirror) =>
        expand({
          ...event,
          name: `${mirror.toLowerCase()}_stress`,
          topic: "MTAOS.logevent_mirrorStresses",
          fields: `stress${mirror}`,
          about: `Calculate ${mirror} stress computed RSS the stress contribution of each bending mode.`,
          unit: "um",
        }),
      ),
      accelerations("mt", 104),
      {
        name: "mt_salindex104_m1m3_accelerometer_{item}",
        topic: "MTM1M3.accelerometerData",
        fields: "accelerometer{item}",
        about: "accelerometer data.",
        unit: "m/s**2",
        stats: [mean, stddev, max, min],
        over: each("item", [0, 1, 2, 3, 4, 5, 6, 7]),
      },
      {
        name: "mt_salindex104_m1m3_angular_acceleration_{axis}",
        topic: "MTM1M3.accelerometerData",
        fields: "angularAcceleration{AXIS}",
        about: "accelerometer's {AXIS}-axis angular acceleration.",
        unit: "deg/s**2",
        stats: [mean, stddev, max, min],
        over: each("axis", ["x", "y", "z"]),
      },
      ...vibration.map(({ statistic, last }) =>
        expand({
          ...unpivoted,
          name: "mt_vibration_data",
          topic: "MTVMS.psd",
          fields: `accelerationPSDX0..99 accelerationPSDY0..99 accelerationPSDZ0..98 ${last}`,
          about: "acceleration PSD in the sensor direction.",
          unit: "m**2.s**-4.Hz**-1",
          stats: [statistic],
        }),
      ),
      {
        ...unpivoted,
        ...event,
        name: "mt_logevent_annular_zernike_coeff",
        topic: "MTAOS.logevent_wavefrontError",
        fields: "annularZernikeCoeff0..18",
        about: "z4-z22 terms of annular Zernike polynomials.",
        unit: "um",
      },
      {
        ...unpivoted,
        ...event,
        name: "mt_logevent_aggregated_dof",
        topic: "MTAOS.logevent_degreeOfFreedom",
        fields: "aggregatedDoF0..49",
        about: `Aggregated degree of freedom in the control algorithm. ${micron}`,
        unit: "um",
      },
      {
        ...unpivoted,
        ...event,
        name: "mt_logevent_visit_dof",
        topic: "MTAOS.logevent_degreeOfFreedom",
        fields: "visitDof0..49",
        about: `Calculated degree of freedom in the last visit. ${micron}`,
        unit: "um",
      },
      ...[
        { mirror: "m1m3", last: 155 },
        { mirror: "m2", last: 71 },
      ].map(({ mirror, last }) =>
        expand({
          ...unpivoted,
          ...event,
          name: `mt_logevent_${mirror}_correction`,
          topic: `MTAOS.logevent_${mirror}Correction`,
          fields: `zForces0..${last}`,
          about: "Actuator force in z direction.",
          unit: "N",
        }),
      ),
      ...["", "Elevation", "Thermal", "Azimuth"].map((part) =>
        expand({
          ...unpivoted,
          ...everySecond,
          name: `mt_m1m3_applied${part && `_${part.toLowerCase()}`}_forces`,
          topic: `MTM1M3.applied${part}Forces`,
          fields: "zForces0..155",
          about: "forces in Z axis.",
          unit: "N",
        }),
      ),
      {
        ...unpivoted,
        ...everySecond,
        name: "mt_m2_axial_force_{name}",
        topic: "MTM2.axialForce",
        fields: "{field}0..71",
        about: "{what} for each actuator in sequence.",
        unit: "N",
        over: [
          { name: "applied", field: "applied", what: "force applied by SAL command or script" },
          {
            name: "lut_gravity",
            field: "lutGravity",
            what: "gravity component (F_e + F_0 + F_a + F_f) of look-up table (LUT) force",
          },
          {
            name: "lut_temperature",
            field: "lutTemperature",
            what: "temperature component (T_u + T_x + T_y + T_r) of look-up table (LUT) force",
          },
        ],
      },
      domeTemperature("mt"),
      {
        ...unpivoted,
        ...event,
        name: "mt_logevent_annular_zernike_indices",
        topic: "MTAOS.logevent_wavefrontError",
        fields: "nollZernikeIndices0..99",
        about: "z4-z22 terms of annular Zernike polynomials.",
        unit: "um",
      },
      {
        name: "mt_m1m3_glycol_loop_temperature_{name}",
        topic: "MTM1M3TS.glycolLoopTemperature",
        fields: "{field}",
        about: "median temperature {place}. See M1M3 documentation for a map of the thermocouples.",
        unit: "deg_C",
        stats: [unnamed(mean)],
        over: [
          ...[1, 2, 3].map((n) => ({
            name: `inside_cell_temp_${n}`,
            field: `insideCellTemperature${n}`,
            place: `inside M1M3 Cell thermocouple ${n}`,
          })),
          { name: "above_mirror_temp", field: "aboveMirrorTemperature", place: "above mirror M1M3" },
        ],
      },
      {
        name: "mt_m2_temperature_ring{ring}",
        topic: "MTM2.temperature",
        fields: "ring{ring}",
        about:
          "median temperature on ring{ring} ({place}) thermocouple on M2. See M2 documentation for a map of the thermocouples.",
        unit: "deg_C",
        stats: [unnamed(mean)],
        preAggregate: "1s",
        over: rings.map((place, ring) => ({ place, ring })),
      },
      {
        name: "mt_ringss_fwhm_{part}",
        topic: "ESS.logevent_ringssMeasurement",
        fields: "{field}",
        about: "RINGSS {part} seeing full width half maximum.",
        unit: "arcsec",
        stats: [unnamed(mean)],
        over: ["Free", "Scintillation", "Sector"].map((part) => ({ part: part.toLowerCase(), field: `fwhm${part}` })),
      },
      ...["Camera", "M2"].map((hexapod, index) =>
        expand({
          name: `${hexapod.toLowerCase()}_hexapod_compensation_offset_{axis}`,
          topic: "MTHexapod.logevent_compensationOffset",
          fields: "{axis} salIndex",
          about: `${hexapod} Hexapod compensation offset (LUT) mean {AXIS} {kind}.`,
          unit: "{unit}",
          ucd: "meta.ucd",
          stats: [latest],
          startOffsetHours: -0.5,
          over: hexapodAxes,
          salIndex: index + 1,
        }),
      ),
      {
        ...unpivoted,
        name: "mt_m1m3_fan_coil_units_temperatures",
        topic: "MTM1M3TS.thermalData",
        fields: "absoluteTemperature0..95",
        about: "Temperatures of the 96 M1M3 fan coil units. See documentation for details on positions.",
        unit: "dec_C",
        ucd: "meta.ucd",
        stats: [latest],
        startOffsetHours: -0.5,
      },
    ),
    slips,
  ),
};

/** The tables have the mean of item 1 before the maximum of item 0. */
function thermometers(index: number, salIndex: number | readonly number[], sensor: string): ColumnEntry[] {
  const columns = temperatures(`mt_salindex${index}`, salIndex, sensor);
  const [maximum, next] = columns.splice(3, 2) as [ColumnEntry, ColumnEntry];
  columns.splice(3, 0, next, maximum);
  return columns;
}
