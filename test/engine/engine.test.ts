/**
 * The ordinary program through the real Pulumi engine and its providers, against a real API server, a real Ceph RGW and a
 * Vault. They are started once, for all: each part has a stack, namespaces and buckets of its own.
 */
import { missing } from "./controlPlane";
import { facility } from "./facility";
import { production } from "./production";
import { program } from "./program";
import { Stand } from "./stand";
import { topics } from "./topics";
import { vault } from "./vault";

if (missing) console.warn(`engine tier skipped: ${missing}`);

(missing ? describe.skip : describe)("through the engine", () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.start();
  });
  afterAll(() => stand?.stop());

  const parts = { program, vault, topics, production, facility };
  for (const part of Object.values(parts)) part(() => stand);
});
