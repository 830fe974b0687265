import { amend, expand, jitter, max, mean, min, stddev, unnamed, untold } from "../family";
import type { ColumnFile } from "../model";
import { accelerations, air, airFlow, dimm, domeTemperature, pointing, sonicTemperature, temperatures, windSpeed } from "./shared"; // prettier-ignore

const azimuth = "azimuth axis position computed from the axis encoders at 100 Hz beginning at the specified time.";
const elevation = azimuth.replace("azimuth", "elevation");
const azimuthRange = "The range is the hard stop limits (L3), approximately -280 to 280.";
const azEl = "ATMCS.mount_AzEl_Encoders";
const thermometers = "AuxTel-ESS01, AuxTel-ESS02, AuxTel-ESS03 ";

const mountJitter = { tables: "exposure", unit: '""', stats: [jitter], packed: true } as const;
const mountAngle = { topic: azEl, unit: '""', ucd: "stat.rms", stats: [unnamed(untold(mean))], packed: true };

/** 1 all the same: that is the default. */
const withoutDdof = { ...stddev, args: undefined };
/** Written like this in the tables' comments. */
const slips = {
  at_salindex204_wind_speed_magnitude_min: { description: "Minimum median wind speed magnitude (salIndex 204)s" },
  at_hexapod_reported_position_x_mean: { description: "Mean Auxiliary telescope hexapod reported in x position." },
  at_hexapod_reported_position_y_mean: { description: "Mean Auxiliary telescope hexapod reported in x position." },
  at_salindex202_accelerationpsd_y_max: { ivoa: { unit: "m/s**2S", ucd: "meta.ucd;stat.max" } },
  at_pointing_mount_position_sky_angle_mean: { description: "Mean c sky angle." },
};

/** The auxiliary telescope's spectrograph. */
export const latiss: ColumnFile = {
  version: "1.0.0",
  columns: amend(
    expand(
      {
        ...mountJitter,
        name: "at_mount_jitter_azimuth",
        topic: azEl,
        fields: "azimuthCalculatedAngle",
        about: `${azimuth} ${azimuthRange}`,
      },
      {
        ...mountJitter,
        name: "at_mount_jitter_elevation",
        topic: azEl,
        fields: "elevationCalculatedAngle",
        about: elevation,
      },
      {
        ...mountJitter,
        name: "at_mount_jitter_nasmyth",
        topic: "ATMCS.mount_Nasmyth_Encoders",
        fields: "nasmyth1CalculatedAngle",
        about:
          "Nasmyth 1 axis position computed from the axis encoders, or nan if this axis is not in use. " +
          "The range is the software limits (L1), approximately -175 to 175.",
      },
      sonicTemperature("at", 201),
      sonicTemperature("at", 205),
      windSpeed("at", 201, " in AuxTel-ESS04"),
      windSpeed("at", 204, ""),
      windSpeed("at", 205, " in AuxTel-GillLabJack01"),
      airFlow("at", 201, "speed_stddev"),
      airFlow("at", 204, "speed_stddev", " in AuxTel-Windsonic"),
      airFlow("at", 205, "speed_stddev"),
      temperatures("at_salindex201", 201, thermometers),
      temperatures("at_salindex301", 301, thermometers),
      {
        ...mountAngle,
        name: "at_azimuth_calculated_angle",
        fields: "azimuthCalculatedAngle",
        about: `A${azimuth.slice(1)} ${azimuthRange.replace(", ", ",  ")}`,
      },
      {
        ...mountAngle,
        name: "at_elevation_calculated_angle",
        fields: "elevationCalculatedAngle",
        about: `E${elevation.slice(1)}`,
      },
      dimm("at"),
      // These two read each other's field, by the name of the packed series: so they never have a value.
      {
        name: "at_azimuth",
        topic: azEl,
        fields: "elevationCalculatedAngle",
        about: elevation,
        unit: "degree",
        stats: [mean],
      },
      {
        name: "at_elevation",
        topic: azEl,
        fields: "azimuthCalculatedAngle",
        about: `A${azimuth.slice(1)} ${azimuthRange}`,
        unit: "degree",
        stats: [mean],
      },
      {
        name: "at_hexapod_reported_position_{axis}",
        topic: "ATHexapod.positionStatus",
        fields: "reportedPosition{item}",
        about: "auxiliary telescope hexapod reported in {axis} position.",
        unit: "mm",
        stats: [mean, max, min],
        over: ["x", "y", "z", "u", "v", "w"].map((axis, item) => ({ axis, item })),
      },
      accelerations("at", 202),
      air("at", "dewpoint", 201, "dew point in AuxTel-ESS02."),
      air("at", "relative_humidity", 201, "relative humidity in AuxTel-ESS02."),
      air("at", "pressure", 201, "atmospheric pressure item {item} in AuxTel-ESS02."),
      air("at", "pressure", 301, "atmospheric pressure item {item} in weather tower atmospheric pressure."),
      pointing("at", "ATPtg.mountPositions", "azimuthCalculatedAngle and elevationCalculatedAngle", withoutDdof),
      domeTemperature("at"),
    ),
    slips,
  ),
};
