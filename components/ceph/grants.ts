/**
 * Who may do what with a bucket, in words. A right is a set of S3 actions:
 *
 * | right      | may |
 * |------------|-----|
 * | `reader`   | find the bucket, list it, read objects and their versions |
 * | `writer`   | everything a reader may; put and delete objects and versions |
 * | `lister`   | find the bucket and list it, but read no object |
 * | `uploader` | put objects, nothing else |
 * | `remover`  | delete objects and versions, nothing else |
 */
export const rights = ["reader", "writer", "lister", "uploader", "remover"] as const;
export type Right = (typeof rights)[number];

/** One line of a bucket's policy. */
export interface Grant {
  /** Name of the statement (`Sid`); unique in its bucket. */
  readonly name: string;
  /** Users of the gateway, `user` or, in a tenant, `tenant$user` (as `radosgw-admin` writes them). */
  readonly to: readonly string[];
  /** What they may do, or with `effect: deny` may not do. */
  readonly right: Right;
  /** A deny wins over every allow. @defaultValue `allow` */
  readonly effect?: "allow" | "deny";
  /** Only objects whose key starts with this, e.g. `LSSTCam/raw/`. @defaultValue the whole bucket */
  readonly prefix?: string;
}

/** Actions on the bucket itself, on its listing, and on its objects: a prefix limits each in its own way. */
interface Actions {
  readonly bucket: readonly string[];
  readonly listing: readonly string[];
  readonly objects: readonly string[];
}
const listing = { bucket: ["s3:GetBucketLocation"], listing: ["s3:ListBucket", "s3:ListBucketVersions"] };
const put = ["s3:PutObject"];
const remove = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
const get = ["s3:GetObject", "s3:GetObjectVersion"];
const actionsOf: Record<Right, Actions> = {
  reader: { ...listing, objects: get },
  writer: { ...listing, objects: [...get, ...put, ...remove] },
  lister: { ...listing, objects: [] },
  uploader: { bucket: [], listing: [], objects: put },
  remover: { bucket: [], listing: [], objects: remove },
};

/** A policy document as S3 takes it. */
export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}
export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal: { readonly AWS: readonly string[] };
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Record<string, Record<string, string>>;
}

/** A policy that cannot be written; the message names the bucket, the grant and what to change. */
export class GrantError extends Error {
  readonly code = "GRANT";
  constructor(bucket: string, reason: string) {
    super(`Bucket policy of "${bucket}": ${reason}`);
  }
  override get name(): string {
    return "GrantError";
  }
}

/**
 * The policy document of a bucket: one statement a grant. A grant with a prefix takes up to three, because a prefix
 * limits objects by their ARN, a listing by a condition, and the bucket's location not at all.
 * @throws {@link GrantError} for an empty policy, a repeated name, no user, or a user name that no ARN can hold.
 */
export function policyDocument(bucket: string, grants: readonly Grant[]): PolicyDocument {
  if (grants.length === 0) throw new GrantError(bucket, "no grant. S3 refuses an empty policy: leave the bucket out.");
  const names = new Set<string>();
  for (const grant of grants) {
    if (names.has(grant.name)) throw new GrantError(bucket, `grant "${grant.name}" is there twice. Rename one.`);
    names.add(grant.name);
  }
  return { Version: "2012-10-17", Statement: grants.flatMap((grant) => statements(bucket, grant)) };
}

function statements(bucket: string, grant: Grant): PolicyStatement[] {
  if (grant.to.length === 0) throw new GrantError(bucket, `grant "${grant.name}" is to nobody. Name a user in "to".`);
  const actions = actionsOf[grant.right];
  const common = {
    Effect: grant.effect === "deny" ? ("Deny" as const) : ("Allow" as const),
    Principal: { AWS: grant.to.map((user) => principalArn(bucket, grant, user)) },
  };
  const bucketArn = `arn:aws:s3:::${bucket}`;
  const all = [...actions.bucket, ...actions.listing, ...actions.objects];
  if (grant.prefix === undefined) {
    const onBucket = actions.bucket.length + actions.listing.length > 0 ? [bucketArn] : [];
    const onObjects = actions.objects.length > 0 ? [`${bucketArn}/*`] : [];
    return [{ Sid: grant.name, ...common, Action: all, Resource: [...onBucket, ...onObjects] }];
  }
  const parts: PolicyStatement[] = [
    { Sid: grant.name, ...common, Action: actions.objects, Resource: [`${bucketArn}/${grant.prefix}*`] },
    {
      Sid: `${grant.name}-list`,
      ...common,
      Action: actions.listing,
      Resource: [bucketArn],
      Condition: { StringLike: { "s3:prefix": `${grant.prefix}*` } },
    },
    // A denied prefix must not take the bucket's location away from the rest of it.
    {
      Sid: `${grant.name}-find`,
      ...common,
      Action: grant.effect === "deny" ? [] : actions.bucket,
      Resource: [bucketArn],
    },
  ];
  return parts.filter((part) => part.Action.length > 0);
}

function principalArn(bucket: string, grant: Grant, user: string): string {
  const match = /^(?:([\w]+)\$)?([\w+=,.@-]+)$/.exec(user);
  if (!match) {
    throw new GrantError(bucket, `grant "${grant.name}" is to "${user}". Write a user as "user" or "tenant$user".`);
  }
  return `arn:aws:iam::${match[1] ?? ""}:user/${match[2]}`;
}
