import type { ClientConfig, ConnectorPart } from "./clients";

/** Clients of the Rubin Observatory, by name. Which environment has which is in `Pulumi.<stack>.yaml`. */

const csc = (...components: string[]): ConnectorPart => ({ components });

/** M1M3 alone is four fifths of the bytes of the EFD. */
const heavy = {
  requests: { cpu: "1", memory: "512Mi" },
  limits: { cpu: "2", memory: "1Gi" },
};

const efd: ClientConfig = {
  about: "Engineering and Facilities Database: telemetry, events, commands and acknowledgements of all CSCs",
  topics: { namespace: "lsst.sal" },
  timestamp: { field: "private_efdStamp", unit: "s" },
  writers: ["ts-salkafka"],
  consumers: ["consdb", "obsloctap", "ts-salkafka"], // CSCs read what other CSCs write
  colliding: [
    {
      components: ["GIS"],
      topics: [
        ...["logevent_afeDecentralizedIOOutputs", "logevent_laserDecentralizedIOInput"],
        ...[
          "logevent_laserDecentralizedIOOutputs",
          "logevent_m2cDecentralizedIOInput",
          "logevent_m2cDecentralizedIOOutput",
        ],
      ],
      reason: "bits of a word and spare bits, which the interface of the GIS names alike",
    },
    {
      components: ["MTCamera"],
      topics: ["logevent_imageReadoutParameters", "rebpower_Reb"],
      reason:
        "arrays whose names differ by a digit at the end in the interface of MTCamera (readCols and readCols2, …)",
    },
  ],
  connectors: {
    auxtel: csc("ATAOS", "ATBuilding", "ATDome", "ATDomeTrajectory", "ATHexapod", "ATMCS", "ATPneumatics", "ATPtg"),
    calsys: csc(
      ...["ATMonochromator", "ATWhiteLight", "CBP", "Electrometer", "FiberSpectrograph", "LEDProjector"],
      ...["LinearStage", "MTReflector", "TunableLaser"],
    ),
    comcam: csc("CCCamera", "CCHeaderService", "CCOODS"),
    envsys: csc("DIMM", "DREAM", "DSM", "EAS", "ESS", "HVAC", "WeatherForecast"),
    genericcamera: csc("GCHeaderService", "GenericCamera"),
    gis: csc("GIS"),
    lasertracker: csc("LaserTracker"),
    latiss: csc("ATCamera", "ATHeaderService", "ATOODS", "ATSpectrograph"),
    lsstcam: { ...csc("MTCamera", "MTHeaderService", "MTOODS", "WFOODS"), batchLines: 500 },
    m1m3: { ...csc("MTM1M3"), ...heavy },
    m1m3ts: csc("MTM1M3TS"),
    m2: csc("MTHexapod", "MTM2", "MTRotator"),
    maintel: csc("MTAOS", "MTDome", "MTDomeTrajectory", "MTPtg"),
    mtaircompressor: csc("MTAirCompressor"),
    mtmount: csc("MTMount"),
    mtvms: csc("MTVMS"),
    obssys: csc("Scheduler", "Script", "ScriptQueue", "Watcher"),
    ocps: csc("OCPS"),
    pmd: csc("PMD"),
    test: csc("Test"),
    other: { rest: true },
  },
};

const cameraTags = ["Agent", "Aspic", "Location", "Raft", "Reb", "Sensor", "Source", "VersionType"];
const comCamTags = [...cameraTags, "Cold", "Cryo", "Hardware", "Ps", "RTD", "Segment"];
const lsstCamTags = [
  ...comCamTags,
  ...["Axis", "Canbus", "Cip", "Clamp", "Controller", "Gateway", "Hip", "Hook", "Latch", "Side", "Truck"],
];

/** A camera's own control system (CCS), whose names begin at `lsst.<camera>`. */
const camera = (name: string, tags: string[]): ClientConfig => ({
  about: `Telemetry of the control system of ${name}`,
  topics: { namespace: `lsst.${name}` },
  bucket: `lsst.${name}`,
  timestamp: { field: "timestamp", unit: "ms" },
  tags,
  writers: ["camera"],
});

/** Metrics that pipelines send through the REST proxy. */
const metrics = (name: string, about: string, tags: string[]): ClientConfig => ({
  about,
  topics: { namespace: `lsst.${name}` },
  bucket: `lsst.${name}`,
  timestamp: { field: "timestamp", unit: "s" },
  tags,
  writers: ["rest-proxy"],
});

const dataset = ["dataset_tag", "band", "instrument", "skymap", "detector", "physical_filter", "tract", "patch"];
const perExposure = [...dataset, "exposure", "visit", "run"];

export const knownClients: Readonly<Record<string, ClientConfig>> = {
  efd,
  atcamera: camera("ATCamera", cameraTags),
  cccamera: camera("CCCamera", comCamTags),
  mtcamera: camera("MTCamera", lsstCamTags),
  obsenv: {
    about: "Environment of the observing scripts: what was checked out, and who changed it",
    topics: { namespace: "lsst.obsenv" },
    bucket: "lsst.obsenv",
    timestamp: { field: "timestamp", unit: "ms" },
    kafkaTopics: ["action", "summary", "run-branch"].map((name) => topic(`lsst.obsenv.${name}`)),
    writers: ["ts-obsenv"],
  },
  scimma: {
    about: "Alerts of targets of opportunity from SCiMMA",
    topics: { namespace: "lsst.scimma" },
    bucket: "lsst.scimma",
    timestamp: { field: "timestamp", unit: "ms" },
    kafkaTopics: ["lsst.scimma.too.alert", "lsst.scimma.too.alert.test"].map((name) => topic(name)),
    writers: ["rest-proxy"],
  },
  backpack: {
    about: "Earthquakes that the United States Geological Survey reports",
    topics: { namespace: "lsst.backpack" },
    bucket: "lsst.backpack",
    timestamp: { field: "timestamp", unit: "s" },
    kafkaTopics: [topic("lsst.backpack.usgs-earthquake-data")],
    writers: ["backpack"],
  },
  cp: metrics("cp", "Calibration products: metrics of their pipelines", [...perExposure, "pipeline"]),
  dm: metrics("dm", "Metrics of the pipelines of Data Management", perExposure),
  debug: metrics("debug", "Metrics of pipelines while they are debugged", perExposure),
  verify: metrics("verify", "Metrics of the verification of the pipelines", perExposure),
  prompt: metrics("prompt", "Metrics of prompt processing", dataset),
  example: metrics("example", "Examples of the documentation", ["band", "instrument"]),
  rubintv: metrics("rubintv", "Metrics of RubinTV", [
    ...["image_type", "observation_reason", "science_program", "filter", "disperser"],
  ]),
  camera: metrics("camera", "Metrics of the camera's images", []),
  lf: metrics("lf", "Benchmarks of LSST-France", ["benchmark_env", "module", "benchmark_type"]),
  survey: {
    about: "Progress of the survey",
    topics: { namespace: "lsst", topics: ["survey"] },
    bucket: "lsst.survey",
    format: "json",
    timestamp: { field: "timestamp", unit: "s" },
    kafkaTopics: [topic("lsst.survey")],
    writers: ["rest-proxy"],
  },
  "square-metrics": {
    about: "Metrics of applications of the Science Platform",
    topics: { namespace: "lsst.square.metrics.events" },
    bucket: "lsst.square.metrics",
    timestamp: { field: "timestamp_ns", unit: "ns" },
    tags: ["application"],
    kafkaTopics: ["gafaelfawr", "mobu", "nublado"].map((app) =>
      topic(`lsst.square.metrics.events.${app}`, 10, { "retention.ms": 86_400_000 }),
    ),
    writers: ["app-metrics"],
  },
};

function topic(name: string, partitions = 1, config: Record<string, number> = {}) {
  return { name, partitions, config };
}
