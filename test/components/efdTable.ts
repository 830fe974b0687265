/**
 * The 22 ways in which the transformed EFD runs today, written down by hand from its own deployments: the test's own truth,
 * which nothing of the program is made from. Only names of back-fills are new, since today's Jobs share theirs.
 */
export interface Variant {
  readonly namespace: string;
  readonly instrument: "LATISS" | "LSSTCam" | "LSSTComCam";
  readonly mode: "cronjob" | "failure-monitor" | "job";
  readonly cronJob: string;
  readonly schedule: string;
  /** Span of a job, UTC. */
  readonly start: string;
  readonly end: string;
  readonly chunkMinutes: number;
  readonly windowMinutes: number;
  readonly repo: string;
  readonly registry: string;
  /** Field in Vault of the registry's password. */
  readonly password: string;
  readonly efdPath: string;
  readonly requests: string;
  readonly limits: string;
}

const embargo = {
  repo: "s3://embargo@rubin-summit-users/butler.yaml",
  registry: "usdf-butler-embargo-db-tx.sdf.slac.stanford.edu",
  password: "butler-embargo-password",
};
const open = {
  repo: "s3://rubin-summit-users/butler.yaml",
  registry: "usdf-butler.slac.stanford.edu",
  password: "main-butler-db-password",
};
const standby = "influxdb-enterprise-standby-data";
const primary = "influxdb-enterprise-data/";
const small = { limits: "8Gi", requests: "4Gi" };
const job = { limits: "64Gi", requests: "16Gi" };
const bigJob = { limits: "64Gi", requests: "32Gi" };
const instruments = { latiss: "LATISS", lsstcam: "LSSTCam", lsstcomcam: "LSSTComCam" } as const;

function scheduled(tier: "dev" | "prod", efdPath: string): Variant[] {
  return Object.entries(instruments).flatMap(([name, instrument]) => {
    const chunks = { chunkMinutes: 5, windowMinutes: 1, start: "", end: "" };
    const common = { namespace: `${tier}-${name}`, instrument, ...chunks, ...embargo, efdPath, ...small };
    const cronJob = `transformed-efd-${tier}`;
    return [
      { ...common, mode: "cronjob", cronJob, schedule: "*/5 * * * *" },
      // Production writes */60, which names the same minutes.
      { ...common, mode: "failure-monitor", cronJob: `${cronJob}-failure-monitor`, schedule: "0 * * * *" },
    ];
  });
}

type Row = [
  namespace: string,
  name: string,
  start: string,
  end: string,
  minutes: [number, number],
  butler: typeof embargo,
  memory: typeof job,
];

/* prettier-ignore */
const jobs: Row[] = [
  ["dev-latiss", "trial", "2024-10-02T02:15:00Z", "2024-10-02T02:20:00Z", [5, 1], open, job],
  ["dev-latiss", "legacy", "2022-09-06T17:45:00Z", "2024-10-18T13:40:00Z", [120, 5], open, bigJob],
  ["dev-lsstcam", "trial", "2025-08-15T02:00:00Z", "2025-08-15T02:15:00Z", [5, 1], embargo, job],
  ["dev-lsstcomcam", "trial", "2025-04-23T12:00:00Z", "2025-04-23T13:40:00Z", [5, 1], embargo, job],
  ["dev-lsstcomcam", "legacy", "2024-12-01T12:00:00Z", "2024-12-12T12:00:00Z", [5, 1], embargo, bigJob],
  ["prod-latiss", "latiss-2023", "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z", [60, 5], embargo, bigJob],
  ["prod-latiss", "latiss-2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", [60, 5], embargo, bigJob],
  ["prod-latiss", "latiss-2025", "2025-01-01T00:00:00Z", "2025-05-29T00:30:00Z", [60, 5], embargo, bigJob],
  ["prod-lsstcam", "lsstcam-2025-10", "2025-10-01T00:00:00Z", "2025-10-01T00:15:00Z", [5, 1], embargo, bigJob],
  ["prod-lsstcomcam", "lsstcomcam-2024", "2024-10-01T00:00:00Z", "2025-01-01T00:00:00Z", [60, 5], embargo, bigJob],
];

export const variants: readonly Variant[] = [
  ...scheduled("dev", standby),
  ...scheduled("prod", primary),
  ...jobs.map(([namespace, name, start, end, [chunkMinutes, windowMinutes], butler, memory]): Variant => {
    const [tier, instrument] = namespace.split("-") as ["dev" | "prod", keyof typeof instruments];
    return {
      namespace,
      instrument: instruments[instrument],
      mode: "job",
      cronJob: `transformed-efd-${tier}-${name}`,
      schedule: "",
      ...{ start, end, chunkMinutes, windowMinutes },
      ...butler,
      efdPath: tier === "dev" ? standby : primary,
      ...memory,
    };
  }),
];
