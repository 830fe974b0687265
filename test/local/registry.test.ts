import { afterAll, describe, expect, it } from "@jest/globals";
import { type RunningRegistry, startRegistry } from "../../local/services";
import { testAddress, testFolder } from "../support/network";

const folder = testFolder("registry");
let registry: RunningRegistry | undefined;

afterAll(async () => {
  await registry?.stop();
  folder.remove();
});

const type = "application/vnd.schemaregistry.v1+json";

async function register(subject: string, schema: object): Promise<number> {
  const answer = await fetch(`${registry!.url}/subjects/${subject}/versions`, {
    method: "POST",
    headers: { "content-type": type },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  return ((await answer.json()) as { id: number }).id;
}

async function get(path: string): Promise<unknown> {
  const answer = await fetch(`${registry!.url}${path}`, { headers: { accept: type } });
  return [answer.status, await answer.json()];
}

describe("the schema registry of one machine", () => {
  it("is a Confluent registry for its clients, and knows a schema that it acknowledged after SIGKILL", async () => {
    registry = await startRegistry({ dir: `${folder.dir}/registry`, address: testAddress(1) });
    const record = { type: "record", name: "scalars", namespace: "lsst.sal.Test" };
    const first = { ...record, fields: [{ name: "int0", type: "int" }] };
    const second = { ...record, fields: [...first.fields, { name: "double0", type: "double", default: 0 }] };
    const ids = [
      await register("lsst.sal.Test.scalars-value", first),
      await register("lsst.sal.Test.scalars-value", second),
      await register("lsst.sal.Test.scalars-value", first),
    ];
    expect(ids).toEqual([ids[0], expect.any(Number), ids[0]]);
    expect(ids[1]).not.toBe(ids[0]);
    await registry.restart("SIGKILL");
    for (const [id, schema] of [
      [ids[0], first],
      [ids[1], second],
    ] as const)
      // prettier-ignore
      expect(await get(`/schemas/ids/${id}`)).toEqual([
        200,
        expect.objectContaining({ schema: JSON.stringify(schema) }),
      ]);
    expect(await get("/subjects")).toEqual([200, ["lsst.sal.Test.scalars-value"]]);
    expect(await get("/subjects/lsst.sal.Test.scalars-value/versions/latest")).toEqual([
      200,
      expect.objectContaining({ id: ids[1], version: 2 }),
    ]);
    expect(await get("/schemas/ids/4711")).toEqual([404, expect.objectContaining({ error_code: 40403 })]);
  });
});
