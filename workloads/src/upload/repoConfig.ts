import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { messageOf } from "../lib/errors";

const schema = z
  .strictObject({
    instrument: z.string().min(1).describe("Instrument, as the Butler names it."),
    repo: z.string().min(1).describe("Butler repository: a folder, a butler.yaml or its URI, a label."),
    query: z
      .strictObject({
        collections: z
          .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
          .transform((one) => (typeof one === "string" ? [one] : one))
          .describe("Collections with the raw files."),
        where: z.string().default("").describe("Butler expression that chooses exposures; empty: all."),
      })
      .describe("What is sent."),
  })
  .describe("Which raw files of which Butler repository a tester sends.");

/** Configuration of `upload-from-repo`. */
export type RepoConfig = z.output<typeof schema>;

/** Reads a YAML file. @throws Error that names the file and every fault in it. */
export function readRepoConfig(file: string): RepoConfig {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`REPO_CONFIG="${file}" cannot be read: ${messageOf(error)}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".") || "the document"}: ${message}`);
  throw new Error(`REPO_CONFIG="${file}": ${faults.join("; ")}`);
}
