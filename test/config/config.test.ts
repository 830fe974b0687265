import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020";
import { parse } from "yaml";
import { loadStackConfig, rawStackConfig, StackConfigError, stackJsonSchema } from "../../components/config";

const root = join(__dirname, "../..");
const least = { kubeContext: "c", bucket: "b", butlerRepo: "s3://b/butler.yaml" };
const withEnvironment = (environment: object, more: object = {}) => ({
  embargo: { environments: { e: { ...least, ...environment } }, ...more },
});
function messageFor(raw: unknown): string {
  try {
    loadStackConfig(raw, "x");
  } catch (error) {
    expect(error).toBeInstanceOf(StackConfigError);
    return (error as Error).message;
  }
  throw new Error("no error");
}

describe("loadStackConfig", () => {
  it("tells every fault in one message, with path, value, reason and the nearest known key", () => {
    const message = messageFor({
      embarg: {},
      platform: { secrets: { kind: "vault" } },
      ceph: { endpoints: { x: { url: "z", buckets: { b: { notifications: { i: { topic: "t" } } } } } } },
      embargo: {
        environments: {
          "Summit!": least,
          s: {
            ...least,
            butlerRepo: undefined,
            ingest: { replica: 2, replicas: "3", limits: { cpu: 1 } },
            enqueue: { upstreamTag: 1.0, service: { adress: "172.24.5.74", address: "1.2" } },
            reconcile: { schedule: "hourly" },
            colour: "red",
          },
        },
      },
    });
    expect(message).toBe(
      `Pulumi.x.yaml has 13 faults.
  - usdf:platform.secrets.kind is "vault": it must be one of externalSecret, vaultSecret, value.
  - usdf:ceph.endpoints.x.url is "z": it must be a URL.
  - usdf:ceph.endpoints.x.buckets.b.notifications.i.topic is "t", not a topic of this endpoint (none).
  - usdf:embargo.environments["Summit!"] is a name that is refused: it must be a DNS label: at most 63 of a-z, 0-9 and -, no - at the ends.
  - usdf:embargo.environments.s.butlerRepo is missing (string).
  - usdf:embargo.environments.s.enqueue.upstreamTag is 1: it must be text: quote a tag such as "1.0".
  - usdf:embargo.environments.s.enqueue.service.address is "1.2": it must be an IPv4 address.
  - usdf:embargo.environments.s.enqueue.service.adress is unknown. Did you mean address?
  - usdf:embargo.environments.s.ingest.replicas is "3": it must be a number.
  - usdf:embargo.environments.s.ingest.limits.cpu is 1: it must be a string.
  - usdf:embargo.environments.s.ingest.replica is unknown. Did you mean replicas?
  - usdf:embargo.environments.s.reconcile.schedule is "hourly": it must have the five fields of a cron schedule, e.g. "17 * * * *".
  - usdf:embargo.environments.s.colour is unknown. Known: kubeContext, image, adopting, namespace, namePrefix, site, bucket, profile, s3EndpointUrl, butlerRepo, secrets, redis, enqueue, ingest, idle, presence, reconcile.
  - usdf:embarg is unknown. Did you mean embargo?`.replace("has 13", "has 14"),
    );
  });

  it.each([
    {
      about: "an upstream image without tag",
      raw: withEnvironment({ image: "upstream", idle: { upstreamTag: "1" }, ingest: { upstreamTag: "1" } }),
      fault:
        "usdf:embargo.environments.e.enqueue.upstreamTag is missing: the upstream image is asked for, but no tag says which.",
    },
    {
      about: "Rucio with our ingest",
      raw: withEnvironment({ ingest: { rucio: { rse: "r", dtn: "d/", scope: "s", account: "a", host: "https://h" } } }),
      fault: "usdf:embargo.environments.e.ingest.rucio needs ingest.image upstream: ours does not speak to Rucio.",
    },
    {
      about: "upstream's idle beside our ingest, set for the system",
      raw: withEnvironment(
        { ingest: { image: "usdf" }, enqueue: { upstreamTag: "1" }, idle: { upstreamTag: "1" } },
        { image: "upstream" },
      ),
      fault:
        "usdf:embargo.environments.e.idle.image is upstream while ingest is ours: that idle takes work from live pods. Switch idle first.",
    },
    {
      about: "pods of upstream that shall stay, and our image",
      raw: withEnvironment({ adopting: true, enqueue: { adopting: false }, ingest: { adopting: false } }),
      fault:
        "usdf:embargo.environments.e.idle.adopting needs image upstream: the pods that stay are upstream's. " +
        "Set image, or take adopting away.",
    },
    {
      about: "two environments in one namespace",
      raw: { embargo: { kubeContext: "c", environments: { e: least, f: { ...least, namespace: "e" } } } },
      fault:
        "usdf:embargo.environments.f.namespace is also the namespace of e: pods and the Redis of both would mix. Give each its own.",
    },
    {
      about: "two writers of an SQLite repository",
      raw: withEnvironment({ ingest: { butlerCreate: true, replicas: 2 } }),
      fault:
        "usdf:embargo.environments.e.ingest.replicas must be 1 with butlerCreate: an SQLite repository has one writer.",
    },
    {
      about: "no cluster",
      raw: { embargo: { environments: { e: { ...least, kubeContext: undefined } } } },
      fault:
        "usdf:embargo.environments.e.kubeContext is missing: name it here, or for every environment in kubeContext of the system.",
    },
    {
      about: "a topic to an environment that is not there",
      raw: {
        ...withEnvironment({}),
        ceph: { endpoints: { c: { url: "http://h", topics: { t: { to: { environment: "f" } } } } } },
      },
      fault: 'usdf:ceph.endpoints.c.topics.t.to.environment is "f", not an environment of embargo in this stack (e).',
    },
    {
      about: "a topic to an environment that reads another Kafka topic",
      raw: {
        ...withEnvironment({ enqueue: { kafka: { cluster: "h:9092", topic: "k" } } }),
        ceph: { endpoints: { c: { url: "http://h", topics: { t: { to: { environment: "e" } } } } } },
      },
      fault:
        'usdf:ceph.endpoints.c.topics.t.to.environment is "e", whose enqueue reads Kafka topic "k"; name this topic so.',
    },
    {
      about: "a topic with two receivers",
      raw: {
        ...withEnvironment({}),
        ceph: {
          endpoints: {
            c: { url: "http://h", topics: { t: { to: { environment: "e" }, pushEndpoint: "http://h/notify" } } },
          },
        },
      },
      fault: "usdf:ceph.endpoints.c.topics.t must have either to or pushEndpoint.",
    },
  ])("refuses $about", ({ raw, fault }) => expect(messageFor(raw)).toBe(`Pulumi.x.yaml has 1 fault.\n  - ${fault}`));

  it("sees a misspelt system, but leaves the stack's secrets alone", () => {
    const raw = rawStackConfig({ "usdf:embargoo": "{}", "usdf:secrets": '{"a#b":"x"}', "aws:region": "r" });
    expect(messageFor(raw)).toBe("Pulumi.x.yaml has 1 fault.\n  - usdf:embargoo is unknown. Did you mean embargo?");
  });

  it("runs our image by default, for every environment", () => {
    expect(loadStackConfig(withEnvironment({})).embargo?.image).toBe("usdf");
  });
});

describe("stack.schema.json", () => {
  it("is what the schemas say (else: npx usdf docs)", () => {
    const text = readFileSync(join(root, "components/config/stack.schema.json"), "utf8");
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(stackJsonSchema())));
  });

  const stacks = readdirSync(root).filter((file) => /^Pulumi\.\w+\.yaml$/.test(file));
  it.each(stacks)("accepts %s, whose first line names it", (file) => {
    const text = readFileSync(join(root, file), "utf8");
    expect(text.split("\n")[0]).toBe("# yaml-language-server: $schema=components/config/stack.schema.json");
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(stackJsonSchema());
    validate(parse(text));
    expect(validate.errors).toBeNull();
  });

  it("marks an unknown key", () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(stackJsonSchema());
    expect(validate({ config: { "usdf:embargo": { environments: { e: { ...least, replica: 1 } } } } })).toBe(false);
  });
});
