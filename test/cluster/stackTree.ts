/**
 * What stands for the LSST stack, the base of the image of ingest: Python of this machine with the packages of
 * `requirements.txt`. It is half a gigabyte, the same as long as the requirements are: a folder of the cache, made once, which a
 * node gets as the content of an unpacked layer (`Node.fill`), so that nothing copies it.
 */
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { baseImage, librariesOf, unpackLayers } from "../support/image";
import { cachedTree } from "./cachedTree";

/** Where the base image of ingest has the LSST stack. */
export const stack = "/opt/lsst/software/stack";

/** The folder with its files, as below `/`. @param python - The environment's, on this machine. */
export function stackTree(python: string): string {
  const environment = dirname(dirname(python));
  return cachedTree("stack", [basename(environment), readFileSync(__filename)], (work) => {
    const ask = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    const library = execFileSync(python, ["-c", ask], { encoding: "utf8" }).trim();
    const unused = new Set(["site-packages", "dist-packages", "test", "idlelib"]);
    cpSync(library, join(work, "library"), { recursive: true, filter: (path) => !unused.has(basename(path)) });
    baseImage(join(work, "python.tar"), [
      ...["--tools", "--bin", "chmod", ...librariesOf(process.execPath), ...librariesOfPackages()],
      ...["--copy", `${join(work, "library")}:${library}`, "--copy", realpathSync(python)],
    ]);
    const files = join(work, "files");
    unpackLayers(join(work, "python.tar"), files);
    // Packages of PyPI bring their libraries: no need to look what each of hundreds loads.
    const packages = join(files, stack, "python");
    cpSync(environment, packages, { recursive: true, verbatimSymlinks: true });
    // Copies have other times, by which Python else knows what is compiled: each start would compile everything.
    const compile = ["-m", "compileall", "-q", "-f", "-j", "0", "-x", "/tests?/"];
    const all = [...compile, "--invalidation-mode", "unchecked-hash", join(files, library), packages];
    execFileSync(python, all, { stdio: "ignore" });
    return files;
  });
}

/**
 * Options of `host-image` for the libraries that packages of PyPI expect of any Linux (PEP 600) beside those of Node.js, and
 * for PostgreSQL's, which psycopg finds by `ldconfig`.
 */
function librariesOfPackages(): string[] {
  const known = execFileSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" });
  const names = ["librt.so.1", "libutil.so.1", "libnsl.so.1", "libresolv.so.2", "libz.so.1", "libpq.so.5"];
  const found = names.flatMap((name) => new RegExp(`^\\t${name} \\(.*x86-64\\) => (.*)$`, "m").exec(known)?.[1] ?? []);
  const copies = found.flatMap((path) => ["--copy", `${realpathSync(path)}:${path}`]);
  return [...copies, "--copy", "/sbin/ldconfig", "--copy", "/etc/ld.so.cache"];
}
