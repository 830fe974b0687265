/** The page for a pull request: what it says, that it stays within GitHub's limit, and that nothing leads out of it. */
import type { Finding } from "../../local/preview/checks";
import type { ObjectChange } from "../../local/preview/diff";
import { limitBytes, showMarkdown, type StackChanges } from "../../local/preview/markdown";
import type { DeclaredObject } from "../../local/preview/model";

const change = (more: Partial<ObjectChange>): ObjectChange => ({
  change: "changed",
  environment: "summit",
  object: "Deployment summit/idle",
  file: "f",
  lines: ["-a: 1", "+a: 2"],
  ...more,
});
const declared = (...environments: string[]) => environments.map((environment) => ({ environment }) as DeclaredObject);
const stack = (objects: ObjectChange[], environments = ["summit", "summit", "tts"]): StackChanges => ({
  stack: "prod",
  declared: declared(...environments),
  objects,
});
const finding = (more: Partial<Finding>): Finding => ({
  level: "warning",
  stack: "prod",
  environment: "summit",
  object: "Service summit/x",
  message: "is open",
  ...more,
});

it("has a row for each environment that changes, the findings, and a patch for each edit", () => {
  const page = showMarkdown(
    "HEAD^1",
    [
      stack([
        change({}),
        change({ object: "Deployment summit/presence" }),
        change({ change: "removed", environment: "bts", object: "Namespace bts", lines: ["-kind: Namespace"] }),
      ]),
    ],
    [finding({ level: "error" }), finding({ level: "note" })],
  );
  expect(page).toBe(`## Preview of prod against \`HEAD^1\`

**1 error, 0 warnings**

| stack | environment | removed | changed | created | objects now |
| --- | --- | --- | --- | --- | --- |
| prod | \`bts\` | 1 |  |  | 0 |
| prod | \`summit\` |  | 2 |  | 2 |
| prod | _1 environment unchanged_ |  |  |  |  |

- **error** \`prod/summit Service summit/x\`: \`is open\`

- note \`prod/summit Service summit/x\`: \`is open\`

<details><summary>removed: prod/bts Namespace bts</summary>

\`\`\`diff
-kind: Namespace
\`\`\`
</details>

<details><summary>changed: prod/summit Deployment summit/idle and 1 more</summary>

Also \`prod/summit Deployment summit/presence\`

\`\`\`diff
-a: 1
+a: 2
\`\`\`
</details>
`);
});

it("says when nothing changes", () => {
  const page = showMarkdown("main", [stack([])], []);
  expect(page).toContain("| prod | _2 environments unchanged_ |");
  expect(page).not.toContain("<details>");
});

it.each([
  [
    "many objects",
    Array.from({ length: 3000 }, (_, index) =>
      change({ object: `Deployment summit/${index}`, lines: [`+a: ${index}`] }),
    ),
  ],
  ["one endless object", [change({ lines: Array<string>(50_000).fill("+ä€ long line") }), change({})]],
  [
    "many objects of one edit",
    Array.from({ length: 3000 }, (_, index) => change({ object: `Deployment summit/${index}` })),
  ],
  ["many environments", Array.from({ length: 3000 }, (_, index) => change({ environment: `e${index}` }))],
])("stays within the limit with %s, and says what it leaves out", (_about, objects) => {
  const findings = Array.from({ length: 500 }, (_, index) => finding({ message: `ß`.repeat(200) + index }));
  const page = showMarkdown("main", [stack(objects)], findings);
  expect(Buffer.byteLength(page)).toBeLessThanOrEqual(limitBytes);
  expect(page).toMatch(/left out, too long for this page/);
});

it("lets no text of an object lead out of its place", () => {
  const evil = "`` ``` </details> | @everyone <img src=x> \n# head";
  const page = showMarkdown(
    "x`|y",
    [stack([change({ object: "A <b>|</b>", lines: ["+```", "+</details>", "+@everyone"] })])],
    [finding({ message: evil })],
  );
  expect(page).toContain("against ``x`\\|y``".replace("``x`", "`` x`").replace("y``", "y ``"));
  expect(page).toContain("```` `` ``` </details> \\| @everyone <img src=x> # head ````");
  expect(page).toContain("<summary>changed: prod/summit A &lt;b&gt;|&lt;/b&gt;</summary>");
  expect(page).toContain("````diff\n+```\n+</details>\n+@everyone\n````\n</details>");
});
