/**
 * Lets V8 of Node 20 optimise a function sixty times later: what runs for some seconds else spends a third of its CPU time on
 * machine code that hardly runs. Benches set it back. Newer ones have a compiler between, and no such option: V8 tells of each
 * that it does not know.
 */
if (process.versions.node.startsWith("20.")) require("node:v8").setFlagsFromString("--interrupt-budget=4000000");
