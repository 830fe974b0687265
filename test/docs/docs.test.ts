import { join } from "node:path";
import { staleDocs } from "../../local/docs";

it("has reference pages that say what the code says (else: npx usdf docs)", () => {
  expect(staleDocs(join(__dirname, "..", ".."))).toEqual([]);
});
