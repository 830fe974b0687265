import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Longest wait for one answer of Vault, ms. */
const answerMs = 10_000;

/** Vault does not answer at all. */
export class VaultUnreachable extends Error {
  readonly code = "VAULT_UNREACHABLE";
  constructor(address: string, cause: unknown) {
    const { cause: inner, message } = cause as Error & { cause?: { code?: string; message?: string } };
    super(`Vault at ${address} cannot be reached (${inner?.code ?? inner?.message ?? message})`, { cause });
  }
}

/** Vault answers, but does not let this be seen. */
export class VaultRefused extends Error {
  readonly code = "VAULT_REFUSED";
  constructor(what: string, status: number) {
    super(
      status === 403
        ? `the token may not ${what} (403)`
        : `Vault answers ${status} when asked to ${what}; it may be sealed, or no Vault`,
    );
  }
}

/** Where a secret is for Vault's HTTP interface. */
interface Place {
  /** Mount with a slash at its end. */
  readonly mount: string;
  readonly version: 1 | 2;
  readonly rest: string;
}

/** Names of what is in Vault. Values are asked for only where names cannot be had without, and never kept. */
export class VaultNames {
  private readonly mounts = new Map<string, Place>();

  constructor(
    readonly address: string,
    private readonly token: string,
  ) {}

  /**
   * Vault as the shell of whoever runs this knows it: VAULT_ADDR, and VAULT_TOKEN or what `vault login` wrote.
   * @param address - Where VAULT_ADDR is not set.
   * @returns `undefined` when the address or the token is not known.
   */
  static fromShell(address: string | undefined, environment: NodeJS.ProcessEnv = process.env): VaultNames | undefined {
    const where = environment.VAULT_ADDR || address;
    const token = environment.VAULT_TOKEN || savedToken(environment.HOME ?? homedir());
    return where && token ? new VaultNames(where.replace(/\/+$/, ""), token) : undefined;
  }

  /** Names of the fields of a secret; `undefined` where there is no secret. @throws VaultRefused, VaultUnreachable */
  async fields(path: string): Promise<string[] | undefined> {
    const { mount, version, rest } = await this.placeOf(path);
    if (version === 2) {
      const reply = await this.get(`${mount}subkeys/${rest}?depth=1`);
      if (reply.status === 200) return Object.keys(reply.data.subkeys ?? {});
      if (reply.status === 404) return undefined;
    }
    const reply = await this.get(`${mount}${version === 2 ? "data/" : ""}${rest}`);
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) throw new VaultRefused(`read ${path}`, reply.status);
    return Object.keys((version === 2 ? reply.data.data : reply.data) ?? {});
  }

  /** Names below a folder, folders with a slash at their end. @throws VaultRefused, VaultUnreachable */
  async list(folder: string): Promise<string[]> {
    const { mount, version, rest } = await this.placeOf(folder);
    const { status, data } = await this.get(`${mount}${version === 2 ? "metadata/" : ""}${rest}/?list=true`);
    if (status === 404) return [];
    if (status !== 200) throw new VaultRefused(`list ${folder}`, status);
    return data.keys;
  }

  /** The engine that a path is in. Whoever may see anything below a mount may ask. */
  private async placeOf(path: string): Promise<Place> {
    const known = [...this.mounts.values()].find(({ mount }) => path.startsWith(mount));
    if (known) return { ...known, rest: path.slice(known.mount.length) };
    const { status, data } = await this.get(`sys/internal/ui/mounts/${path}`);
    if (status !== 200) throw new VaultRefused(`see ${path}`, status);
    const place: Place = {
      mount: data.path,
      version: data.options?.version === "2" ? 2 : 1,
      rest: path.slice(data.path.length),
    };
    this.mounts.set(place.mount, place);
    return place;
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of many paths, looked into field by field
  private async get(path: string): Promise<{ status: number; data: any }> {
    try {
      const response = await fetch(`${this.address}/v1/${path}`, {
        headers: { "X-Vault-Token": this.token, "X-Vault-Request": "true", ...namespaceHeader() },
        redirect: "error", // the token goes to the address that was named, nowhere else
        signal: AbortSignal.timeout(answerMs),
      });
      const body = (await response.json().catch(() => undefined)) as { data?: unknown } | undefined;
      return { status: response.status, data: body?.data ?? {} };
    } catch (error) {
      throw new VaultUnreachable(this.address, error);
    }
  }
}

function namespaceHeader(): Record<string, string> {
  const { VAULT_NAMESPACE: namespace } = process.env;
  return namespace ? { "X-Vault-Namespace": namespace } : {};
}

function savedToken(home: string): string | undefined {
  try {
    return readFileSync(join(home, ".vault-token"), "utf8").trim() || undefined;
  } catch {
    return undefined; // nobody logged in
  }
}
