import { randomBytes } from "node:crypto";
import { readJson, writeJson } from "../state";
import type { SecretObject, SecretSource } from "./manifest";

/** The runner puts the address in its place. */
const postgresHost = "postgres.usdf.local:5432";

/** Keys of the S3 user of the local gateway. */
export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * The local secret store, in place of Vault: each field is made once and kept in a file that only this user can read. A
 * password is random; what names the object store or a database fits the local services.
 */
export class SecretStore {
  private readonly fields: Record<string, string>;

  /**
   * @param file - Where the values are kept.
   * @param rgwUrl - URL of the object store; with user and password, these are the keys of everyone.
   * @param reader - User of the gateway whose keys the stack's secrets hold.
   */
  constructor(
    private readonly file: string,
    private readonly rgwUrl: string,
    private readonly reader: string,
  ) {
    this.fields = readJson<Record<string, string>>(file, {});
  }

  /** Keys of a user of the gateway: those in `rgwUrl` for every user, or made here. */
  s3(user: string): S3Keys {
    const { username, password } = new URL(this.rgwUrl);
    if (username) return { accessKey: decodeURIComponent(username), secretKey: decodeURIComponent(password) };
    return {
      accessKey: this.keep(`local/rgw/${user}#access_key`, () => randomBytes(10).toString("hex").toUpperCase()),
      secretKey: this.keep(`local/rgw/${user}#secret_key`, password40),
    };
  }

  /** Value of a field, made at the first call. */
  value({ path, field }: SecretSource): string {
    const { accessKey, secretKey } = this.s3(this.reader);
    if (field === "profile") return this.profileUrl(accessKey, secretKey);
    if (/^s3-profile-/.test(field)) return this.profileUrl(accessKey, secretKey);
    if (/^(s3_)?access(_key)?$|^aws-access-key-id$/.test(field)) return accessKey;
    if (/^(s3_key|(s3_)?secret_key|aws-secret-access-key)$/.test(field)) return secretKey;
    if (field === "db-auth.yaml")
      return JSON.stringify([{ url: `postgresql://${postgresHost}/*`, ...this.postgres() }]);
    if (field === "butler-password") return this.postgres().password;
    if (field === "consdb-url") return this.consdbUrl();
    // A field of the transformed EFD's secret, and one of Sasquatch's: the same user.
    if (field === "usdf-efd-password" || field === "efdreader-password") return this.efdReader().password;
    return this.keep(`${path}#${field}`, password40);
  }

  /** User of the local PostgreSQL, who owns its databases. */
  postgres(): { readonly username: string; readonly password: string } {
    return { username: "usdf", password: this.keep("local/postgres#password", password40) };
  }

  /** URL of the consolidated database. */
  consdbUrl(): string {
    const { username, password } = this.postgres();
    return `postgresql://${username}:${password}@${postgresHost}/consdb`;
  }

  /** Who reads the EFD in the local InfluxDB. */
  efdReader(): { readonly username: string; readonly password: string } {
    return { username: "efdreader", password: this.keep("local/influxdb#efdreader", password40) };
  }

  /** Values of a Secret object, by key. */
  read(secret: SecretObject): Record<string, string> {
    const entries = Object.entries(secret.keys);
    return Object.fromEntries(entries.map(([key, from]) => [key, "value" in from ? from.value : this.value(from)]));
  }

  /** `http://ACCESS:SECRET@host:port`, as `LSST_RESOURCES_S3_PROFILE_*` takes it. */
  private profileUrl(accessKey: string, secretKey: string): string {
    const url = new URL(this.rgwUrl);
    url.username = encodeURIComponent(accessKey);
    url.password = encodeURIComponent(secretKey);
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
