import { cpSync } from "node:fs";
import { join } from "node:path";
import { getTopic } from "../../components/ceph";
import { type PulumiProject, root } from "../support/pulumi";
import { keys, type Stand } from "./stand";

const program = "test/ceph/program";
const opaque = "opaque-data-of-the-engine-test";

/** What the dynamic providers do with a topic that moves to another name, by a program that has little else. */
export function topics(get: () => Stand): void {
  describe("a topic and a notification", () => {
    let project: PulumiProject;
    const topic = (name: string) => getTopic(get().rgw, `arn:aws:sns:default::${name}`);
    const entries = () => get().notifications("moved-raw");
    const configure = (name: string, pushEndpoint = "http://192.0.2.80:8080/notify") =>
      project.configure({
        "ceph-test:url": get().rgw.url,
        "ceph-test:topic": name,
        "ceph-test:pushEndpoint": pushEndpoint,
        "ceph-test:bucket": "moved-raw",
      });

    it("are created; nothing secret is in the state or the output", async () => {
      const { folder } = get().project("topics");
      cpSync(join(root, program), join(folder, program), { recursive: true });
      project = get().project("topics", { folder: join(folder, program) });
      project.init();
      await project.setSecret("opaqueData", opaque);
      configure("moved-1");
      const output = await project.up();
      expect(await entries()).toEqual(["own -> moved-1"]);
      expect(await topic("moved-1")).toMatchObject({ OpaqueData: opaque, time_to_live: "60", persistent: "true" });
      // Where a resource is made in the program is relative to the project, which here is not in the checkout.
      const state = JSON.stringify(project.state(), (key, value) => (key === "sourcePosition" ? undefined : value));
      for (const text of [output, state]) {
        for (const hidden of [opaque, keys.secretAccessKey, root]) expect(text).not.toContain(hidden);
      }
    });

    it("make the topic of another name before the old one goes, and move the notification in between", async () => {
      configure("moved-2");
      const output = await project.up();
      const order = ["created replacement", "updated", "deleted original"].map((word) => output.indexOf(word));
      expect(order).toEqual([...order].sort((a, b) => a - b));
      expect(order[0]).toBeGreaterThan(0);
      expect(output).not.toContain(opaque);
      expect(await entries()).toEqual(["own -> moved-2"]);
      expect(await topic("moved-1")).toBeUndefined();
    });

    it("refuse wrong inputs by name, before anything changes", async () => {
      configure("moved-2", "gopher://x");
      const { code, output } = await project.run("preview");
      expect(code).not.toBe(0);
      expect(output).toContain(
        "property pushEndpoint value {gopher://x} has a problem: is no push endpoint. Write http://host:port/path, https://… or kafka://host:port.",
      );
      expect(await entries()).toEqual(["own -> moved-2"]);
    });
  });
}
