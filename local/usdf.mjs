#!/usr/bin/env node
/**
 * The `usdf` command, with nothing needed but Node: installs the npm packages when they are missing or stale, goes on with the
 * Node that is among them, which is that of the images, bundles the workloads for the commands that run them, then hands over
 * to cli.ts. Kept free of packages and of new syntax, so that it can still say what is wrong on an old Node.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const needed = [20, 19];
/** Package of the Node of this kind of machine, where package-lock.json has one. */
const ownNode = `node_modules/node-${process.platform}-${process.arch}`;
/** Commands that run the bundled workloads. */
const runsWorkloads = new Set(["up", "test", "bench"]);

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  fail(`usdf needs Node ${needed.join(".")} or newer, this is ${process.version}. Install one, e.g.: nvm install 24`);
}
try {
  await installPackages();
  await useOwnNode();
  const words = process.argv.slice(2);
  if (runsWorkloads.has(words.find((word) => !word.startsWith("-")))) {
    const { build } = await import("../workloads/build.mjs");
    await build();
  }
} catch (error) {
  fail(error.message);
}
quiet();
const require = createRequire(import.meta.url);
require("./typescript.cjs");
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit()); // `| head` has gone
await require("./cli.ts").main(process.argv);
// A pipe takes 64 kB at a time: the rest is still to be written.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(); // idle connections of libraries would hold it for seconds

/** `npm ci`, unless what is installed is what package-lock.json says. */
async function installPackages() {
  const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
  const hash = createHash("sha256").update(lockText).digest("hex");
  const stamp = join(root, "node_modules", ".usdf-stamp");
  if (read(stamp) === hash) return;
  if (!isInstalled(JSON.parse(lockText))) {
    refuseLink(join(root, "node_modules"));
    await npmCi();
  }
  writeFileSync(stamp, hash);
}

/** Whether npm's own record of node_modules holds every package of the lock file at its version. */
function isInstalled(lock) {
  const record = read(join(root, "node_modules", ".package-lock.json"));
  if (!record) return false;
  const installed = JSON.parse(record).packages;
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path.includes("node_modules/") && !entry.link && (!entry.optional || path === ownNode))
    .every(([path, { version }]) => installed[path]?.version === version);
}

/** Goes on with the Node of {@link ownNode}, as npm's scripts do from the start; else with the one that this is. */
async function useOwnNode() {
  const bin = join(root, ownNode, "bin");
  const node = join(bin, "node");
  if (!existsSync(node) || realpathSync(node) === realpathSync(process.execPath)) return;
  const env = { ...process.env, PATH: [bin, process.env.PATH].join(delimiter) };
  const child = spawn(node, process.argv.slice(1), { env, stdio: "inherit" });
  process.on("SIGINT", () => {}); // the terminal tells the child, too
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  const [code, signal] = await once(child, "exit");
  process.exit(signal ? 128 + constants.signals[signal] : code);
}

/** npm would empty the folder that a link leads to, under whoever else works with it. */
function refuseLink(folder) {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new Error(
    `${folder} is a link to ${readlinkSync(folder)}, where packages are not those of this package-lock.json. ` +
      "Remove the link, or run npm ci there.",
  );
}

function npmCi() {
  const state = join(root, ".usdf");
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const logFile = join(state, "npm-ci.log");
  const log = openSync(logFile, "w", 0o600);
  const started = Date.now();
  const line = () => `Installing npm packages (once) … ${Math.round((Date.now() - started) / 1000)} s`;
  const isTerminal = process.stderr.isTTY;
  process.stderr.write(isTerminal ? line() : "Installing npm packages (once) …\n");
  const ticking = isTerminal ? setInterval(() => process.stderr.write(`\r${line()}`), 1000) : undefined;
  const child = spawn("npm", ["ci", "--no-audit", "--no-fund"], { cwd: root, stdio: ["ignore", log, log] });
  return new Promise((resolve, reject) => {
    child.on("error", (cause) => reject(new Error(`npm cannot be run (${cause.message}); it comes with Node.`)));
    child.on("exit", (code) => {
      clearInterval(ticking);
      closeSync(log);
      if (isTerminal) process.stderr.write("\n");
      if (code === 0) resolve();
      else
        reject(
          new Error(
            `npm ci failed; the end of ${logFile}:\n${read(logFile).trimEnd().split("\n").slice(-8).join("\n")}`,
          ),
        );
    });
  });
}

/** Warnings of libraries that a user can do nothing about; all others are shown. */
function quiet() {
  const emit = process.emitWarning;
  process.emitWarning = function (warning, ...rest) {
    const text = `${warning?.name ?? ""} ${warning?.message ?? warning} ${JSON.stringify(rest[0] ?? "")}`;
    const known = /NodeVersionSupportWarning|AWS SDK for JavaScript|loading ES Module .* using require|punycode/;
    if (!known.test(text)) emit.call(process, warning, ...rest);
  };
}

function read(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function fail(message) {
  process.stderr.write(`usdf: ${message}\n`);
  process.exit(1);
}
