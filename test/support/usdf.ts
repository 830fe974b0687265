import { stripVTControlCharacters } from "node:util";
import { main } from "../../local/cli";

/** How one command line ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * `usdf …` as a person types it, in this process: a process of its own takes a second.
 * @param env - Variables of the shell while it runs.
 */
export async function usdf(env: NodeJS.ProcessEnv, ...words: string[]): Promise<Ended> {
  const lines: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] };
  const spies = [
    jest.spyOn(console, "log").mockImplementation((...text: unknown[]) => void lines.stdout.push(text.join(" "))),
    jest.spyOn(console, "error").mockImplementation((...text: unknown[]) => void lines.stderr.push(text.join(" "))),
    jest.spyOn(process.stdout, "write").mockImplementation((text) => lines.stdout.push(String(text).replace(/\n$/, "")) > 0), // prettier-ignore
    jest.spyOn(process.stderr, "write").mockImplementation((text) => lines.stderr.push(String(text).replace(/\n$/, "")) > 0), // prettier-ignore
  ];
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  try {
    await main(["node", "usdf", ...words]);
    const code = Number(process.exitCode ?? 0);
    const plain = (text: readonly string[]) => stripVTControlCharacters(text.join("\n"));
    return { code, stdout: plain(lines.stdout), stderr: plain(lines.stderr) };
  } finally {
    process.exitCode = undefined;
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    for (const spy of spies) spy.mockRestore();
  }
}
