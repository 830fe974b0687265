/**
 * npm's arborist, loaded when it is first used. Pulumi requires its 200 modules in every program and uses them only to find the
 * packages of a serialised closure, which we have none of.
 */
exports.Arborist = class {
  constructor(options) {
    const Arborist = require("@npmcli/arborist/lib/arborist/index.js");
    return new Arborist(options);
  }
};
