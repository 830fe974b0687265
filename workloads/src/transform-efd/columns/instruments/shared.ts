import { all, each, expand, max, mean, min, stddev } from "../family";
import type { ColumnEntry } from "../model";

const sonicAccuracy =
  "sonic temperature (air temperature measured sonically). Sonic temperature has poor absolute accuracy " +
  "(it can be off by several degrees) but good time resolution.";

/** An anemometer's own thermometer. @param prefix - `at` or `mt`. */
export function sonicTemperature(prefix: string, salIndex: number): ColumnEntry[] {
  const common = { topic: "ESS.airTurbulence", unit: "deg_C", stats: [mean, stddev], salIndex };
  const name = `${prefix}_salindex${salIndex}_sonic_temperature`;
  return expand(
    { ...common, name, fields: "sonicTemperature salIndex", about: `median ${sonicAccuracy}` },
    {
      ...common,
      name: `${name}_stddev`,
      fields: "sonicTemperatureStdDev salIndex",
      about: "standard deviation of sonic temperature (air temperature measured sonically) estimated from quartiles.",
    },
  );
}

/** An anemometer with three axes. @param place - ` in AuxTel-ESS04`, or nothing. */
export function windSpeed(prefix: string, salIndex: number, place: string): ColumnEntry[] {
  const common = { topic: "ESS.airTurbulence", unit: "m/s", stats: all, salIndex };
  const name = `${prefix}_salindex${salIndex}_wind_speed`;
  const axes = each("axis", [0, 1, 2]);
  const where = `${place} along axis {axis} (salIndex ${salIndex}).`;
  return expand(
    {
      ...common,
      name: `${name}_{axis}`,
      fields: "speed{axis} salIndex",
      over: axes,
      about: `median wind speed (x, y, z)${where}`,
    },
    {
      ...common,
      name: `${name}_stddev_{axis}`,
      fields: "speedStdDev{axis} salIndex",
      over: axes,
      about: `standard deviation of wind speed (x, y, z) estimated from quartiles${where}`,
    },
    {
      ...common,
      name: `${name}_magnitude`,
      fields: "speedMagnitude salIndex",
      about: `median wind speed magnitude${place} (salIndex ${salIndex}).`,
    },
    {
      ...common,
      name: `${name}_maxmagnitude`,
      fields: "speedMaxMagnitude salIndex",
      about: `maximum wind speed magnitude${place} (salIndex ${salIndex}).`,
    },
  );
}

/** An anemometer with one speed and a direction. @param spread - What the columns of its own spread are called. */
export function airFlow(prefix: string, salIndex: number, spread: string, place = ""): ColumnEntry[] {
  const common = { topic: "ESS.airFlow", unit: "m/s", stats: all, salIndex };
  const name = `${prefix}_salindex${salIndex}_airflow`;
  const speed = `median (mean for some sensors) wind speed${place} (salIndex ${salIndex}).`;
  return expand(
    { ...common, name: `${name}_speed`, fields: "speed salIndex", about: speed },
    {
      ...common,
      name: `${name}_${spread}`,
      fields: "speedStdDev salIndex",
      about: `standard deviation of wind speed estimated from quartiles${place} (salIndex ${salIndex}). Not available for all sensor types.`,
    },
    { ...common, name: `${name}_direction`, fields: "direction salIndex", about: speed },
  );
}

/** Thermometers of one controller. @param sensor - Its name with a blank after it, or nothing. */
export function temperatures(name: string, salIndex: number | readonly number[], sensor: string): ColumnEntry[] {
  return expand({
    name: `${name}_temperature_{item}`,
    topic: "ESS.temperature",
    fields: "temperatureItem{item} salIndex",
    about: `${sensor}temperature item {item}.`,
    unit: "deg_C",
    stats: sensor ? all : [mean, { ...stddev, prefix: "Standard deviation of " }, min, max],
    over: each("item", [0, 1, 2, 3, 4, 5, 6, 7]),
    salIndex,
  });
}

/** Accelerometers with three axes, in time and in frequency. */
export function accelerations(prefix: string, salIndex: number): ColumnEntry[] {
  const common = {
    about: "acceleration in {axis} direction.",
    unit: "m/s**2",
    stats: all,
    over: each("axis", ["x", "y", "z"]),
    salIndex,
  };
  const name = `${prefix}_salindex${salIndex}_acceleration`;
  return expand(
    { ...common, name: `${name}_{axis}`, topic: "ESS.accelerometer", fields: "salIndex acceleration{AXIS}0..399" },
    {
      ...common,
      name: `${name}psd_{axis}`,
      topic: "ESS.accelerometerPSD",
      fields: "salIndex accelerationPSD{AXIS}0..200",
    },
  );
}

/** Dew point, relative humidity or pressure. */
export function air(prefix: string, quantity: keyof typeof airTopics, salIndex: number, about: string): ColumnEntry[] {
  const { topic, unit, items } = airTopics[quantity];
  return expand({
    name: `${prefix}_salindex${salIndex}_${quantity}${items ? "_{item}" : ""}`,
    topic: `ESS.${topic}`,
    fields: `${topic}Item${items ? "{item}" : ""} salIndex`,
    about,
    unit,
    stats: [mean],
    over: items,
    salIndex,
  });
}

const airTopics = {
  dewpoint: { topic: "dewPoint", unit: "deg_C", items: undefined },
  relative_humidity: { topic: "relativeHumidity", unit: '"%"', items: undefined },
  pressure: { topic: "pressure", unit: "Pa", items: each("item", [0, 1]) },
};

/** Seeing. */
export function dimm(prefix: string): ColumnEntry[] {
  return expand({
    name: `${prefix}_dimm_fwhm`,
    topic: "DIMM.logevent_dimmMeasurement",
    fields: "fwhm",
    about: "combined full width half maximum.",
    unit: "arcsec",
    stats: [mean],
  });
}

/** Air of the dome, from whichever controllers are there. */
export function domeTemperature(prefix: string): ColumnEntry[] {
  return expand({
    name: `${prefix}_dome_temperature`,
    topic: "ESS.temperature",
    fields: "temperatureItem0 salIndex",
    about: "dome temperature item 0.",
    unit: "deg_C",
    stats: [mean],
    salIndex: [111, 112, 113],
  });
}

/** Where the pointing component says that the telescope looks. @param axes - The two that RA and Dec are calculated from. */
export function pointing(prefix: string, topic: string, axes: string, spread = stddev): ColumnEntry[] {
  const common = { topic, unit: "deg", stats: [mean, spread] };
  const name = `${prefix}_pointing_mount_position`;
  return expand(
    { ...common, name: `${name}_ra`, fields: "ra", about: `RA calculated from the ${axes}.` },
    { ...common, name: `${name}_dec`, fields: "declination", about: `Dec calculated from the ${axes}.` },
    { ...common, name: `${name}_sky_angle`, fields: "skyAngle", about: "calculated sky angle." },
  );
}
