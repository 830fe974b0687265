/** A transform that leaves a file of a package to Node, which loads it once a process; jest would for each test file. */
const { createHash } = require("node:crypto");
const { readFileSync } = require("node:fs");

const recipe = readFileSync(__filename);

module.exports = {
  process(_text, path) {
    const file = JSON.stringify(path);
    // jest loads some of its own modules this way too, before there is an environment.
    const itself = `module._compile(require("node:fs").readFileSync(${file}, "utf8"), ${file})`;
    return { code: `if (globalThis.requirePackage) module.exports = requirePackage(${file}); else ${itself};` };
  },
  getCacheKey: (_text, path) => createHash("sha256").update(recipe).update(path).digest("hex"),
};
