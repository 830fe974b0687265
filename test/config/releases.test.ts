import { compareVersions, needsOf, releaseSchema, versionsSchema } from "../../components/config/prompt/releases";

test.each([
  ["9.0", "9", 0],
  ["9.0", "10.0", -1], // by numbers, not by letters
  ["1.2.3", "1.2", 1],
  ["1.2.0.1", "1.2", 1],
])("version %s beside %s", (one, other, expected) => {
  expect(compareVersions(one, other)).toBe(expected);
  expect(compareVersions(other, one)).toBe(0 - expected);
});

test("what a release needs is held against what the environment has, and what nobody states meets nothing", () => {
  const release = releaseSchema.parse({
    needs: {
      apdbSchema: { atLeast: "9.0", below: "10" },
      alertSchema: { atLeast: "11" },
      mpsky: { atLeast: "2" },
      fannedOutVisit: { atLeast: "3", below: "4" },
    },
  });
  const versions = versionsSchema.parse({ apdbSchema: "9.4", alertSchema: "10.9", fannedOutVisit: "4" });
  expect(needsOf(release, versions).map(({ axis, has, met }) => [axis, has, met])).toEqual([
    ["fannedOutVisit", "4", false],
    ["apdbSchema", "9.4", true],
    ["mpsky", undefined, false],
    ["alertSchema", "10.9", false],
  ]);
});

test.each([
  [{ needs: { apdbSchema: { atLeast: "9", below: "9.0" } } }, "must have atLeast before below"],
  [{ needs: { apdb: { atLeast: "9" } } }, "Unrecognized key"],
  [{ needs: { apdbSchema: { atLeast: "v9" } } }, "must be a version of numbers"],
  [{ needs: { apdbSchema: { atLeast: 9 } } }, "must be text"],
])("refused: %j", (release, message) => {
  const { error } = releaseSchema.safeParse(release);
  expect(error?.message).toContain(message);
});
