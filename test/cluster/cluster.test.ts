/** What needs pods that run: on one real node of Kubernetes, which is started once for all. */
import { join } from "node:path";
import { testFolder } from "../support/network";
import { adopt } from "./adopt";
import { missing, Node } from "./node";
import { promptUp } from "./promptUp";
import { EmbargoStack } from "./stack";
import { up } from "./up";

if (missing) console.warn(`cluster tier skipped: ${missing}`);

(missing ? describe.skip : describe)("on a cluster", () => {
  const { dir, remove } = testFolder("node");
  let node: Node;
  let stack: Promise<EmbargoStack>;
  beforeAll(() => {
    node = new Node(join(dir, "cluster"));
    // What stands around the cluster takes a while: it starts beside the tests that need none of it.
    stack = EmbargoStack.start(node);
    stack.catch(() => {}); // whoever awaits it sees why
  });
  afterAll(async () => {
    await (await stack?.catch(() => undefined))?.stop();
    node?.down();
    remove();
  });

  adopt(() => node);
  up(() => stack);
  promptUp(() => stack);
});
