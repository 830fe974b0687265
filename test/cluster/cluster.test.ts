/** What needs pods that run: on one real node of Kubernetes, which is started once for all. */
import { join } from "node:path";
import { testFolder } from "../support/network";
import { adopt } from "./adopt";
import { missing, Node } from "./node";
import { up } from "./up";

jest.setTimeout(400_000);
if (missing) console.warn(`cluster tier skipped: ${missing}`);

(missing ? describe.skip : describe)("on a cluster", () => {
  const { dir, remove } = testFolder("node");
  let node: Node;
  beforeAll(() => {
    node = new Node(join(dir, "cluster"));
  });
  afterAll(() => {
    node?.down();
    remove();
  });

  for (const part of [adopt, up]) part(() => node);
});
