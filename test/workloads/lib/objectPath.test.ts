import fc from "fast-check";
import { bucketOf, dayObsOf, isGuider, keyOf, parseObjectPath } from "../../../workloads/src/lib/objectPath";

it.each([
  {
    about: "a science sensor",
    path: "embargo@rubin-summit/LSSTCam/20260603/MC_O_20260603_000258/MC_O_20260603_000258_R22_S11.fits",
    expected: {
      kind: "exposure",
      bucket: "embargo@rubin-summit",
      instrument: "LSSTCam",
      dayObs: "20260603",
      seqNum: "000258",
    },
  },
  {
    about: "a directory of another day, which wins",
    path: "rubin-summit/LATISS/20260604/AT_O_20260603_000001/AT_O_20260603_000001_R00_S00.fits",
    expected: { dayObs: "20260604", expDayObs: "20260603", instrumentCode: "AT", controller: "O" },
  },
  {
    about: "LFA with a directory",
    path: "rubinobs-lfa-cp/FiberSpectrograph:1/fits/2024/05/28/raw/x.fits",
    expected: { kind: "lfa", instrument: "FiberSpectrograph:1/fits", dayObs: "20240528", filename: "x.fits" },
  },
  {
    about: "LFA without a directory",
    path: "rubinobs-lfa-cp/GenericCamera:1/x/2024/05/28/y_000001.fits",
    expected: { instrument: "GenericCamera:1/x", dayObs: "20240528" },
  },
  {
    about: "the short form of LFA, in a tenant's bucket",
    path: "rubin:rubinobs-lfa-cp/MTCamera/2024/05/28/y.fits",
    expected: { bucket: "rubin:rubinobs-lfa-cp", instrument: "MTCamera", dayObs: "20240528" },
  },
])("reads $about", ({ path, expected }) => {
  expect(parseObjectPath(path)).toMatchObject({ ...expected, path });
  expect(parseObjectPath(`s3://${path}`)).toEqual(parseObjectPath(path));
});

it.each([
  ["b/LSSTCam/20260603/x.fits", "bucket/instrument/dayObs/expId/filename has 5 components, this has 4"],
  ["b/LSSTCam/20260603/MC_O_20260603/x.fits", 'expId "MC_O_20260603" is not <code>_<controller>_<dayObs>_<seqNum>'],
  ["b/LSSTCam/20260603/MC_O_20260603_1/", "a component is empty"],
  ["rubinobs-lfa-cp/a/2024/5/28/x.fits", '"2024/5/28" is not YYYY/MM/DD'],
  ["rubinobs-lfa-cp/a/x.fits", "an LFA path has 6, 7 or 8 components, this has 3"],
])("refuses %s", (path, reason) => {
  expect(() => parseObjectPath(path)).toThrow(
    `Cannot read object path "${path}": ${reason}. Rename the object or narrow DATASET_REGEXP.`,
  );
});

it("splits any path into bucket and key and back", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (bucket, key) => {
      fc.pre(!bucket.includes("/"));
      const path = `${bucket}/${key}`;
      expect([bucketOf(path), keyOf(path)]).toEqual([bucket, key]);
    }),
  );
});

it("knows a guider by its file name", () => {
  expect(isGuider("b/LSSTCam/20260603/e/MC_O_20260603_000258_R00_SG0_guider.fits")).toBe(true);
  expect(isGuider("b/LSSTCam/20260603/e/MC_O_20260603_000258_R00_SW0.fits")).toBe(false);
});

it("starts dayObs at 12:00 UTC", () => {
  expect(dayObsOf(new Date("2026-06-04T11:59:59Z"))).toBe("20260603");
  expect(dayObsOf(new Date("2026-06-04T12:00:00Z"))).toBe("20260604");
});
