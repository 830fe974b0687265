import { until } from "../support/network";
import { ClusterDatabases } from "./databases";
import type { ClusterPrompt } from "./prompt";
import type { EmbargoStack } from "./stack";

/** Prompt Processing as pods of the real images, with the operators of KEDA and CloudNativePG. @param get - The stack, brought up. */
export function promptUp(get: () => Promise<EmbargoStack>): void {
  describe("prompt processing", () => {
    let prompt: ClusterPrompt;
    let databases: ClusterDatabases;
    beforeAll(async () => {
      const { node, prompt: own } = await get();
      prompt = own;
      databases = new ClusterDatabases(node);
    });

    it("has no worker while there is no visit", async () => {
      expect(await prompt.jobNames()).toEqual([]);
    });

    it("KEDA starts workers for visits that fan-out put into the stream; each is done once, its raw found by the router", async () => {
      await prompt.observe(3);
      await until("KEDA to start a worker", async () => (await prompt.running()).length > 0, {
        pollMs: 500,
        state: () => prompt.tell(),
      });
      const done = await prompt.settled();
      expect(Object.values(done)).toEqual(Array(3).fill("done at attempt 1"));
      expect(await prompt.left()).toEqual({ pending: 0, dead: 0, lag: 0 });
      // What the program of the pipelines itself says: each visit once, with its raw.
      const lines = prompt.processed();
      for (const group of prompt.groups) {
        const processed = lines.filter((line) => line.group === group);
        expect(processed).toEqual([{ group, detector: 0, raws: 1, complete: true }]);
      }
    });

    it("ends them when nothing more comes", async () => {
      await until("the workers to end", async () => (await prompt.running()).length === 0, { pollMs: 500 });
      expect(await prompt.failed()).toEqual([]);
    });

    it("has its databases by CloudNativePG, in which each role can do what it must and nothing else", async () => {
      await databases.healthy();
      const refused = "42501"; // insufficient_privilege
      const apdb = (role: Parameters<typeof databases.as>[0], sql: string) => databases.as(role, "lsst-devl", sql);
      const registry = (role: Parameters<typeof databases.as>[0], sql: string) =>
        databases.as(role, "ppcentralbutler", sql);

      databases.grant("first");
      expect(
        await apdb("rubin", `CREATE TABLE pp_apdb_latiss."DiaSource" (id bigserial PRIMARY KEY, ra float)`),
      ).toEqual([]);
      expect(await registry("pp", "CREATE TABLE pp_dev_central_repo_2.run (id int PRIMARY KEY, host text)")).toEqual(
        [],
      );
      expect(await registry("pp", "INSERT INTO pp_dev_central_repo_2.run VALUES (1, 'a')")).toEqual([]);
      // Tables that are there already, and drift by hand, are for the next run.
      expect(await registry("pp", "GRANT DELETE ON pp_dev_central_repo_2.run TO hsc_prompt")).toEqual([]);
      databases.grant("second");

      const may: [unknown[] | string, unknown[] | string][] = [
        [
          await apdb("latiss_prompt", `INSERT INTO pp_apdb_latiss."DiaSource" (ra) VALUES (1.5) RETURNING id`),
          [{ id: "1" }],
        ],
        [await apdb("latiss_prompt", `UPDATE pp_apdb_latiss."DiaSource" SET ra = 2 RETURNING ra`), [{ ra: 2 }]],
        [await apdb("latiss_prompt", `DELETE FROM pp_apdb_latiss."DiaSource"`), refused],
        [await apdb("latiss_prompt", `DROP TABLE pp_apdb_latiss."DiaSource"`), refused],
        [await apdb("latiss_prompt", "CREATE TABLE pp_apdb_latiss.mine (id int)"), refused],
        [await apdb("latiss_prompt", "CREATE SCHEMA mine"), refused],
        [await apdb("hsc_prompt", "SELECT 1"), refused], // it may not even connect
        [await apdb("pp", "SELECT 1"), refused],
        [await registry("hsc_prompt", "SELECT host FROM pp_dev_central_repo_2.run"), [{ host: "a" }]],
        [
          await registry("hsc_prompt", "UPDATE pp_dev_central_repo_2.run SET host = 'b' RETURNING host"),
          [{ host: "b" }],
        ],
        [await registry("hsc_prompt", "INSERT INTO pp_dev_central_repo_2.run VALUES (2, 'c')"), refused],
        [await registry("hsc_prompt", "DELETE FROM pp_dev_central_repo_2.run"), refused],
        [await registry("latiss_prompt", "CREATE TABLE public.mine (id int)"), refused],
        [await registry("rubin", "SELECT 1"), refused],
        [await registry("pp", "CREATE ROLE another"), refused],
      ];
      expect(may.map(([seen]) => seen)).toEqual(may.map(([, wanted]) => wanted));
    });
  });
}
