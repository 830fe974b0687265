import { badCodes, survive, teller } from "./survival";

const visits = 5;

test("kills of fan-out, router, workers and Redis: every (visit, detector) is committed exactly once, what is bad is parked", async () => {
  const result = await survive({
    name: "prompt-survive",
    host: 100,
    visits,
    processes: 3,
    workersPerProcess: 1,
    killEveryMs: 700,
    timeoutMs: 150_000,
    tell: teller("prompt-survive"),
  });
  const { committed, done, units, violations, wrongRaws, letters, kills } = result;
  expect({ committed, done, units, violations, wrongRaws }).toEqual({
    committed: visits * 189,
    done: visits * 189,
    units: visits * 189,
    violations: "",
    wrongRaws: 0,
  });
  // One letter of each bad input: no repeat parked it again, and nothing good was parked.
  expect(letters.map(({ code }) => code).sort()).toEqual([...badCodes].sort());
  expect(letters.find(({ code }) => code === "FOREIGN_GROUP")).toMatchObject({ group: "2026-01-01T00:00:00.000" });
  expect(Object.keys(kills).sort()).toEqual(["fan-out", "redis", "router", "worker-0", "worker-1", "worker-2"]);
});
