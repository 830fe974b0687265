/** Pulumi starts policy packs without the node arguments of Pulumi.yaml, so the pack's TypeScript is loaded from here. */
require("../local/typescript.cjs");
require("./pack.ts");
