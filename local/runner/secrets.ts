import { randomBytes } from "node:crypto";
import { readJson, writeJson } from "../state";
import type { SecretObject, SecretSource } from "./manifest";

/** Keys of the S3 user of the local gateway. */
export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * The local secret store, in place of Vault: each field is made once and kept in a file that only this user can read. A
 * password is random; what names the object store fits the local gateway.
 */
export class SecretStore {
  private readonly fields: Record<string, string>;

  /**
   * @param file - Where the values are kept.
   * @param rgwUrl - URL of the object store, by name; keys are put into it.
   */
  constructor(
    private readonly file: string,
    private readonly rgwUrl: string,
  ) {
    this.fields = readJson<Record<string, string>>(file, {});
  }

  /** S3 keys of the gateway's user: those in `rgwUrl`, or made here. */
  get s3(): S3Keys {
    const { username, password } = new URL(this.rgwUrl);
    if (username) return { accessKey: decodeURIComponent(username), secretKey: decodeURIComponent(password) };
    return {
      accessKey: this.keep("local/rgw#access", () => randomBytes(10).toString("hex").toUpperCase()),
      secretKey: this.keep("local/rgw#secret", password40),
    };
  }

  /** Value of a field, made at the first call. */
  value({ path, field }: SecretSource): string {
    if (/^profile$/.test(field)) return this.profileUrl();
    if (/^(s3_)?access(_key)?$/.test(field)) return this.s3.accessKey;
    if (/^(s3_key|secret_key)$/.test(field)) return this.s3.secretKey;
    if (/\.ya?ml$/.test(field)) return "[]\n"; // db-auth.yaml: the local registry asks for no password
    return this.keep(`${path}#${field}`, password40);
  }

  /** Values of a Secret object, by key. */
  read(secret: SecretObject): Record<string, string> {
    const entries = Object.entries(secret.keys);
    return Object.fromEntries(entries.map(([key, from]) => [key, "value" in from ? from.value : this.value(from)]));
  }

  /** `http://ACCESS:SECRET@host:port`, as `LSST_RESOURCES_S3_PROFILE_*` takes it. */
  private profileUrl(): string {
    const url = new URL(this.rgwUrl);
    url.username = encodeURIComponent(this.s3.accessKey);
    url.password = encodeURIComponent(this.s3.secretKey);
    return url.href.replace(/\/$/, "");
  }

  private keep(name: string, make: () => string): string {
    const known = this.fields[name];
    if (known !== undefined) return known;
    const value = make();
    this.fields[name] = value;
    writeJson(this.file, this.fields);
    return value;
  }
}

function password40(): string {
  return randomBytes(20).toString("hex");
}
