import { readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { ensureButlerPython, ensureRedis, type Progress } from "../services";
import { checkout } from "../state";

/** How an image is run on this machine. */
export interface LocalImage {
  /** Folder that stands for the image's working directory. */
  readonly cwd?: string;
  /** What it runs where a container names no command. */
  readonly entrypoint?: readonly string[];
  /** Folders that come first on PATH. */
  readonly path: readonly string[];
  /** Files whose content is the program: a change of them starts new pods. */
  readonly files: (command: readonly string[]) => string[];
}

/** An image that no program of this machine stands for. */
export class UnknownImage extends Error {
  constructor(image: string) {
    super(
      `No local program for image ${image}: usdf up runs usdf-workloads, usdf-ingest and redis. ` +
        "Set `image: usdf` for this workload in Pulumi.local.yaml.",
    );
  }
}

const workloads = join(checkout, "workloads");
const node = dirname(process.execPath);
/** `node dist/<name>.js` of the workloads. */
const bundle = (command: readonly string[]) =>
  command.filter((word) => word.endsWith(".js")).map((word) => join(workloads, word));
/** And the Python child that the programs of that image start. */
const withButler = (command: readonly string[]) => [
  ...bundle(command),
  ...readdirSync(join(workloads, "butler"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(py|json)$/.test(file))
    .map((file) => join(workloads, "butler", file)),
];

/**
 * Finds (or installs) what stands for an image.
 * @throws {@link UnknownImage}
 */
export async function localImage(image: string, progress?: Progress): Promise<LocalImage> {
  const name = image
    .replace(/@.*$/, "")
    .replace(/:[^:/]*$/, "")
    .split("/")
    .at(-1);
  switch (name) {
    case "usdf-workloads":
      return { cwd: workloads, path: [node], files: bundle };
    case "usdf-ingest":
      return { cwd: workloads, path: [dirname(await ensureButlerPython(progress)), node], files: withButler };
    case "redis":
      return {
        entrypoint: ["redis-server"],
        path: [dirname((await ensureRedis(progress))["redis-server"]!)],
        files: () => [],
      };
    default:
      throw new UnknownImage(image);
  }
}

/** PATH of a program of that image: as in a container, nothing of the shell that typed `usdf up`. */
export function pathOf(image: LocalImage): string {
  return [...image.path, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(delimiter);
}
