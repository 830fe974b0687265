import { type Grant, policyDocument } from "../../components/ceph";

const read = ["GetBucketLocation", "GetObject", "GetObjectVersion", "ListBucket", "ListBucketVersions"];
const readWrite = [...read, "PutObject", "DeleteObject", "DeleteObjectVersion"];

/** The policies that are in force today, in their own words (effect, users with tenant, actions, resources). */
const today: { bucket: string; grants: Grant[]; means: [string, string[], string[], string[]][] }[] = [
  ...(
    [
      ["rubin-bts", ["rubin-summit-users"], "reader"],
      ["rubin-bts-users", ["rubin-summit-users"], "writer"],
      ["rubin-rubintv-data-bts", ["rubin-rubintv-data-ro"], "reader"],
      ["rubin-rubintv-data-summit", ["rubin-rubintv-data-ro"], "reader"],
      ["rubin-sts", ["rubin$rubin-summit-users"], "reader"],
      ["rubin-summit-dev", ["rubin-summit-users"], "writer"],
      ["rubin-summit", ["rubin-summit-users", "prompt-processing-dev"], "reader"],
      ["rubin-tts", ["rubin$rubin-summit-users"], "reader"],
      ["rubin-tts-users", ["rubin$rubin-summit-users"], "writer"],
    ] as const
  ).map(([bucket, to, right]) => ({
    bucket,
    grants: [{ name: "g", to, right } as Grant],
    means: [
      [
        "Allow",
        to.map((user) => `arn:aws:iam::${user.includes("$") ? "rubin" : ""}:user/${user.replace("rubin$", "")}`),
        (right === "reader" ? read : readWrite).map((action) => `s3:${action}`),
        [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
      ] as [string, string[], string[], string[]],
    ],
  })),
  {
    bucket: "rubin-summit-users",
    grants: [
      { name: "rw", to: ["prompt-processing-dev"], right: "writer" },
      { name: "no", effect: "deny", to: ["rubin-summit-users"], right: "uploader", prefix: "LSSTCam/raw/" },
    ],
    means: [
      [
        "Allow",
        ["arn:aws:iam:::user/prompt-processing-dev"],
        readWrite.map((action) => `s3:${action}`),
        ["arn:aws:s3:::rubin-summit-users", "arn:aws:s3:::rubin-summit-users/*"],
      ],
      [
        "Deny",
        ["arn:aws:iam:::user/rubin-summit-users"],
        ["s3:PutObject"],
        ["arn:aws:s3:::rubin-summit-users/LSSTCam/raw/*"],
      ],
    ],
  },
];

describe("policyDocument", () => {
  it.each(today)("of $bucket means what is in force today", ({ bucket, grants, means }) => {
    const { Version, Statement } = policyDocument(bucket, grants);
    expect(Version).toBe("2012-10-17");
    const sorted = (list: readonly string[]) => [...list].sort();
    expect(
      Statement.map((one) => [one.Effect, one.Principal.AWS, sorted(one.Action), sorted(one.Resource), one.Condition]),
    ).toEqual(
      means.map(([effect, users, actions, resources]) => [
        effect,
        users,
        sorted(actions),
        sorted(resources),
        undefined,
      ]),
    );
  });

  it("limits a reader of a prefix: objects by ARN, listing by condition, location not", () => {
    expect(policyDocument("b-1", [{ name: "g", to: ["u"], right: "reader", prefix: "a/" }]).Statement).toMatchObject([
      { Sid: "g", Action: ["s3:GetObject", "s3:GetObjectVersion"], Resource: ["arn:aws:s3:::b-1/a/*"] },
      {
        Sid: "g-list",
        Action: ["s3:ListBucket", "s3:ListBucketVersions"],
        Resource: ["arn:aws:s3:::b-1"],
        Condition: { StringLike: { "s3:prefix": "a/*" } },
      },
      { Sid: "g-find", Action: ["s3:GetBucketLocation"], Resource: ["arn:aws:s3:::b-1"] },
    ]);
  });

  it.each([
    { about: "no grant", grants: [], message: /"b": no grant\. S3 refuses an empty policy: leave the bucket out\.$/ },
    {
      about: "a name twice",
      grants: [
        { name: "g", to: ["u"], right: "reader" },
        { name: "g", to: ["v"], right: "reader" },
      ],
      message: /grant "g" is there twice\. Rename one\.$/,
    },
    { about: "nobody", grants: [{ name: "g", to: [], right: "reader" }], message: /grant "g" is to nobody/ },
    {
      about: "a user of another spelling",
      grants: [{ name: "g", to: ["rubin:u/x"], right: "reader" }],
      message: /is to "rubin:u\/x"\. Write a user as "user" or "tenant\$user"\.$/,
    },
  ] as { about: string; grants: Grant[]; message: RegExp }[])("refuses $about", ({ grants, message }) => {
    expect(() => policyDocument("b", grants)).toThrow(message);
  });
});
