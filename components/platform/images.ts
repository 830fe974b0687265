import { version } from "../../package.json";

/** Images of this project, at the version of this checkout. */
export const usdfImage = {
  /** Node programs. */
  workloads: `ghcr.io/lsst-dm/usdf-workloads:${version}`,
  /** The same, with Python and the Butler. */
  ingest: `ghcr.io/lsst-dm/usdf-ingest:${version}`,
} as const;
