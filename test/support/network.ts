import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A loopback network of this process alone, `127.A.B.x`, so that tests that run side by side use ordinary ports and
 * never meet. Outside the half (127.1 to 127.127) that checkouts may claim for themselves.
 */
export function testAddress(host: number): string {
  return `127.${128 + ((process.pid >> 8) % 126)}.${process.pid & 255}.${host}`;
}

/** A folder that user `postgres` can reach too. */
export function testFolder(name: string): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), `usdf-${name}-`));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Polls until `probe` gives something true. @throws Error that says what was waited for, and the last state of it. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 240_000, pollMs = 100, state }: { timeoutMs?: number; pollMs?: number; state?: () => unknown } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const seen = state ? ` State: ${JSON.stringify(await state())}.` : "";
      throw new Error(`Waited ${timeoutMs} ms for ${what}.${seen}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
