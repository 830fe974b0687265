/**
 * Environment of the tests: test files run in the context of Node itself, and packages are loaded once a process (packages.cjs).
 * In a context of its own, as jest has it, each test file would load them anew, Pulumi's for seconds.
 */
const vm = require("node:vm");
const { LegacyFakeTimers, ModernFakeTimers } = require("@jest/fake-timers");
const { ModuleMocker } = require("jest-mock");
require("../../../local/lazy/index.cjs");

/** What jest takes for the context to compile in. */
const ownContext = {};
const { compileFunction } = vm;
vm.compileFunction = (text, parameters, options) =>
  options?.parsingContext === ownContext
    ? compileFunction(text, parameters, { ...options, parsingContext: undefined })
    : compileFunction(text, parameters, options);

const signals = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Leaves variables, exit code and handlers of signals to the next test file as this one found them. */
module.exports = class {
  global = globalThis;

  constructor({ projectConfig: config }) {
    const global = globalThis;
    globalThis.requirePackage = require;
    this.before = {
      env: { ...process.env },
      exit: process.exit,
      console: globalThis.console,
      handlers: new Map(signals.map((signal) => [signal, process.listeners(signal)])),
    };
    this.moduleMocker = new ModuleMocker(global);
    const timerConfig = { idToRef: (id) => id, refToId: (timer) => timer };
    this.fakeTimers = new LegacyFakeTimers({ config, global, moduleMocker: this.moduleMocker, timerConfig });
    this.fakeTimersModern = new ModernFakeTimers({ config, global });
  }

  async setup() {}

  async teardown() {
    this.fakeTimers.dispose();
    this.fakeTimersModern.dispose();
    const { env, exit, console, handlers } = this.before;
    // Jest has its own of both for each file.
    process.exit = exit;
    globalThis.console = console;
    process.exitCode = undefined;
    for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
    Object.assign(process.env, env);
    for (const signal of signals)
      for (const handler of process.listeners(signal))
        if (!handlers.get(signal).includes(handler)) process.off(signal, handler);
  }

  exportConditions() {
    return ["node", "node-addons"];
  }

  getVmContext() {
    return ownContext;
  }
};
