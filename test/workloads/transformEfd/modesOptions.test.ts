import { describe, expect, it } from "@jest/globals";
import { readOptions } from "../../../workloads/src/transform-efd/options";

const secret = "postgresql://oods:hidden-1@db.example:5432/consdb";
const words = ["-c", "/c.yaml", "-i", "LSSTCAM", "-r", "s3://embargo@rubin-summit-users/butler.yaml", "-m", "cronjob"];
const read = (given: string, environment: NodeJS.ProcessEnv = {}) =>
  readOptions([...words, ...given.split(" ").filter((word) => word !== "")], { CONSDB_URL: secret, ...environment });
const faultsOf = (given: string, environment: NodeJS.ProcessEnv = {}): string[] => {
  try {
    read(given, environment);
  } catch (error) {
    const [head, ...faults] = (error as Error).message.split("\n  - ");
    expect(head).toMatch(/^transform-efd cannot start: \d+ faults? in its environment\.$/);
    expect((error as Error).message).not.toContain("hidden");
    return faults;
  }
  return [];
};

describe("the command line", () => {
  it("is understood as the manifests of today write it: short flags, empty values for what a mode does not need", () => {
    const cron = ["-s", "", "-e", "", "-d", secret, "-E", "", "-t", "5", "-w", "1"];
    expect(readOptions([...words, ...cron, "--resume"], {})).toMatchObject({
      CONFIG_FILE: "/c.yaml",
      INSTRUMENT: "LSSTCam",
      BUTLER_REPO: "s3://embargo@rubin-summit-users/butler.yaml",
      TIMEDELTA: 5,
      TIMEWINDOW: 1,
      mode: { name: "failure-monitor" },
      databases: { primary: secret, secondaries: [] },
    });
  });

  it("has long flags, which win over the environment", () => {
    const environment = { TIMEDELTA: "120", MODE: "cronjob", INSTRUMENT: "LATISS", LOG_LEVEL: "DEBUG" };
    const given =
      "--instrument=latiss --mode job --start 2024-10-02T02:15:00 --end 2024-10-02T04:20+02:00 --timedelta 10";
    expect(read(given, environment)).toMatchObject({
      INSTRUMENT: "LATISS",
      TIMEDELTA: 10,
      LOG_CONFIG: "DEBUG",
      mode: {
        name: "job",
        startMs: Date.UTC(2024, 9, 2, 2, 15),
        endMs: Date.UTC(2024, 9, 2, 2, 20),
        resume: false,
      },
    });
  });

  it("takes several databases, of which the first is the primary", () => {
    const second = "postgresql+psycopg2://oods:hidden-2@other/consdb";
    const databases = { primary: secret, secondaries: [second, secret] };
    expect(read(`-d ${secret} ${second} ${secret} -t 5`)).toMatchObject({ databases, TIMEDELTA: 5 });
    expect(read("", { CONSDB_URL: `${secret} ${second}\n${secret}` })).toMatchObject({ databases });
  });

  it.each([
    ["-m job -s 2024-10-02 -e 2024-10-03", {}, { name: "job", resume: false }],
    ["-m job -s 2024-10-02 -e 2024-10-03 -R", {}, { name: "job", resume: true }],
    ["-m job -s 2024-10-02 -e 2024-10-03", { RESUME: "--resume" }, { name: "job", resume: true }],
    ["", {}, { name: "cronjob" }],
    ["", { RESUME: "" }, { name: "cronjob" }],
    ["", { RESUME: "--resume" }, { name: "failure-monitor" }],
    ["--failure-monitor", {}, { name: "failure-monitor" }],
  ])("%s with %j is a mode", (given, environment, mode) => {
    expect(read(given, environment as NodeJS.ProcessEnv).mode).toMatchObject(mode);
  });
});

describe("faults", () => {
  it("are told all at once, without a password", () => {
    const environment = { CONSDB_URL: "mysql://u:hidden@h/d", TIMEWINDOW: "one", EFD: "https://u:hidden@efd" };
    expect(faultsOf(`--mod job -t 0 -l stray ${secret}`, environment)).toEqual([
      "--mod is not a flag; did you mean --mode?",
      "word 10 of the command line belongs to no flag",
      "word 15 of the command line belongs to no flag",
      'TIMEDELTA="0" is refused (Too small: expected number to be >=1): Length of a window [minutes]',
      'TIMEWINDOW="one" is not a whole number: Stored with each task and otherwise unused: telemetry is read for the true ' +
        "span of each record [minutes]",
      "CONSDB_URL (secret, value not shown) is not postgresql://user:password@host:port/database",
      "EFD holds a password (value not shown): set EFD_USERNAME and EFD_PASSWORD instead",
    ]);
  });

  it.each([
    ["-m job", "DATETIME_START is missing: MODE job needs the range of its windows"],
    ["-m job -s 2024-10-02 -e 2024-13-02", 'DATETIME_END="2024-13-02" is not a time as 2026-06-03T00:00:00 [UTC]'],
    ["-m job -s 2024-10-02 -e 2024-10-01", 'DATETIME_START="2024-10-02" is not before DATETIME_END="2024-10-01"'],
    ["-m job -s 2024-10-02 -e 2024-10-03 --failure-monitor", "--failure-monitor is of MODE cronjob only; take it away, or set MODE to cronjob"],
    ["-i HSC", 'INSTRUMENT="HSC" is not one of LATISS, LSSTComCam, LSSTComCamSim, LSSTCam: Instrument, in any case: LATISS, LSSTComCam, LSSTComCamSim, LSSTCam'],
    ["-d postgresql://a:hidden@b/c sqlite:///x", "URL 2 of CONSDB_URL (secret, value not shown) is not postgresql://user:password@host:port/database"],
    ["-E ftp://efd", 'EFD="ftp://efd" is not http(s)://host:port/path'],
    ["-E https://efd:hidden@host", "EFD holds a password (value not shown): set EFD_USERNAME and EFD_PASSWORD instead"],
    ["--resume=yes", "--resume takes no value"],
    ["-t", "-t needs a value"],
  ])("%s: %s", (given, fault) => expect(faultsOf(given)[0]).toBe(fault)); // prettier-ignore
});
