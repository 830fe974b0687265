/**
 * Lets V8 optimise a function sixty times later: what runs for some seconds else spends a third of its CPU time on machine code
 * that hardly runs. Benches set it back.
 */
require("node:v8").setFlagsFromString("--interrupt-budget=4000000");
