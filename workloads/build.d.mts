import type { BuildOptions } from "esbuild";

/** What esbuild makes of the programs: in memory, with a list of what went into them. */
export function bundleOf(programs: readonly string[]): BuildOptions & { metafile: true; write: false };
/** Bundles every program whose sources have changed; gives the names. */
export function build(): Promise<string[]>;
