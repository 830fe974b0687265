import type { PromptService, ServiceInput } from "./service";

/** What a service has in every environment, by instrument; what is not here is as usual. */

const loud: PromptService["logLevels"] = {
  "timer.lsst.activator": "DEBUG",
  "timer.lsst.daf.butler": "DEBUG",
  "lsst.associateApdb": "VERBOSE",
  "lsst.loadDiaCatalogs": "VERBOSE",
  "lsst.computeReliability": "VERBOSE",
  "lsst.daf.butler": "VERBOSE",
};
const few = { keepSuccessful: 5, keepFailed: 5 };

/** Instruments that the program knows. Others are told in `usdf:prompt.instruments`. */
export const knownInstruments: Readonly<Record<string, ServiceInput>> = {
  LATISS: {
    detectors: { count: 1 },
    skymap: "latiss_v1",
    transferWorkers: 10,
    scaling: { min: 3, max: 30, ...few },
    logLevels: loud,
  },
  LSSTCam: {
    detectors: {
      count: 189,
      test: {
        "2026010100039": [30, 173],
        "2026010100047": [30, 66],
        "2026010100048": [30, 66],
        "2026010100050": [30, 158],
        "2026010100267": [30, 158],
      },
    },
    skymap: "lsst_cells_v2",
    preloadPaddingArcsec: 50,
    transferWorkers: 4,
    scaling: { min: 3, max: 600, ...few },
    logLevels: loud,
  },
  HSC: {
    detectors: {
      count: 104,
      off: [9],
      test: { "59134": [0, 4, 5], "59142": [0, 5, 11], "59150": [50, 58], "59160": [43, 51] },
    },
    skymap: "hsc_rings_v1",
    preloadPaddingArcsec: 42,
    transferWorkers: 4,
    repoRetrySeconds: 5,
    scaling: { min: 3, max: 100, ...few },
    logLevels: loud,
  },
  // No environment has these now: what they had last. 9 detectors × 500 s / 30 s are 150 workers.
  LSSTComCam: {
    detectors: { count: 9 },
    skymap: "lsst_cells_v1",
    preloadPaddingArcsec: 50,
    scaling: { min: 3, max: 200, latencySeconds: 500, cadenceSeconds: 30 },
  },
  LSSTComCamSim: {
    detectors: { count: 9 },
    limits: { memory: "16Gi" },
    scaling: { min: 3, max: 150, latencySeconds: 500, cadenceSeconds: 30 },
  },
  "LSSTCam-imSim": {
    detectors: { count: 189 },
    requests: { ephemeralStorage: "8Gi" },
    limits: { memory: "12Gi", ephemeralStorage: "8Gi" },
    scaling: { min: 3, max: 800 },
  },
};
