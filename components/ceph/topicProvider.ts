import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";
import { deleteTopic, getTopic, putTopic, sameAccess, type RgwAccess } from "./rgw";

/** Plain inputs of a topic. See `NotificationTopicArgs`. */
export interface TopicInputs {
  rgw: RgwAccess;
  name: string;
  pushEndpoint: string;
  opaqueData?: string;
  persistent?: boolean;
  timeToLiveSeconds?: number;
  maxRetries?: number;
  retrySleepSeconds?: number;
  verifySsl?: boolean;
  cloudEvents?: boolean;
  kafkaAckLevel?: string;
  useSsl?: boolean;
  caLocation?: string;
  saslMechanism?: string;
  kafkaUser?: string;
  kafkaPassword?: string;
}

/** State of a topic. */
export interface TopicOutputs extends TopicInputs {
  arn: string;
  /** Changes whenever an attribute does. Secret, since it is a digest of the opaque data too. */
  revision: string;
}

/** Setting, name of CreateTopic's attribute, and the value that the gateway takes when it is not given; the last is the mechanism. */
const settings: readonly (readonly [keyof TopicInputs, string, string])[] = [
  ["pushEndpoint", "push-endpoint", ""],
  ["opaqueData", "OpaqueData", ""],
  ["persistent", "persistent", "false"],
  ["timeToLiveSeconds", "time_to_live", "0"],
  ["maxRetries", "max_retries", "0"],
  ["retrySleepSeconds", "retry_sleep_duration", "0"],
  ["verifySsl", "verify-ssl", "true"],
  ["cloudEvents", "cloudevents", "false"],
  ["kafkaAckLevel", "kafka-ack-level", "broker"],
  ["useSsl", "use-ssl", "false"],
  ["caLocation", "ca-location", ""],
  ["saslMechanism", "mechanism", "PLAIN"],
];

/** Attributes as SNS CreateTopic takes them. The three that decide where and how are always there. */
export function topicAttributes(inputs: Omit<TopicInputs, "rgw" | "name">): Record<string, string> {
  const pushEndpoint = withLogin(inputs);
  const given: Record<string, unknown> = { ...inputs, pushEndpoint, persistent: inputs.persistent ?? true };
  return Object.fromEntries(
    settings
      .filter(([key]) => given[key] !== undefined || key === "opaqueData")
      .map(([key, attribute]) => [attribute, String(given[key] ?? "")]),
  );
}

/** The gateway wants the login inside the endpoint. */
function withLogin({ pushEndpoint, kafkaUser, kafkaPassword = "" }: Omit<TopicInputs, "rgw" | "name">): string {
  if (kafkaUser === undefined) return pushEndpoint;
  const login = `${encodeURIComponent(kafkaUser)}:${encodeURIComponent(kafkaPassword)}`;
  return pushEndpoint.replace("://", `://${login}@`);
}

/** Attributes with the gateway's defaults filled in, so that equal meaning compares equal. */
function normalised(attributes: Record<string, string>): string[] {
  return settings.map(([, attribute, standard]) => attributes[attribute] ?? standard);
}

function revisionOf(attributes: Record<string, string>): string {
  const values = normalised(attributes);
  // The revision of a topic without password is what it was before there was such an attribute.
  if (attributes.mechanism === undefined) values.pop();
  return createHash("sha256").update(JSON.stringify(values)).digest("hex").slice(0, 16);
}

/** Settings as the gateway shows them: what it does not show, or shows at its default, stays as it was asked for. */
function settingsFrom(attributes: Record<string, string>, asked: TopicInputs): TopicInputs {
  const wanted = topicAttributes(asked);
  const found: Record<string, unknown> = { ...asked };
  for (const [key, attribute, standard] of settings) {
    const value = attributes[attribute] ?? standard;
    if (value === (wanted[attribute] ?? standard)) continue;
    if (key === "pushEndpoint" && asked.kafkaUser !== undefined) {
      // A login that is another one there is put again; it is kept apart, since only the password is secret in the state.
      found.pushEndpoint = value.replace(/:\/\/[^/@]*@/, "://");
      found.kafkaPassword = "";
      continue;
    }
    found[key] = /^\d+$/.test(standard) ? Number(value) : /^(true|false)$/.test(standard) ? value === "true" : value;
  }
  return found as unknown as TopicInputs;
}

/** What a preview puts where a value is not known yet. */
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Every fault of the inputs at once: what is wrong with which value, and what to write instead. */
export function topicFaults(inputs: TopicInputs): { property: string; reason: string }[] {
  const faults: { property: string; reason: string }[] = [];
  const fault = (property: string, reason: string) => faults.push({ property, reason });
  const known = (value: unknown) => value !== undefined && value !== unknownValue;
  if (known(inputs.rgw?.url) && !/^https?:\/\/[^/]+\/?$/.test(inputs.rgw.url))
    fault("rgw", `"${inputs.rgw.url}" is no URL of a gateway. Write http(s)://host[:port].`);
  if (!!inputs.rgw?.accessKeyId !== !!inputs.rgw?.secretAccessKey)
    fault("rgw", "accessKeyId and secretAccessKey come together. Give both, or a profile, or neither.");
  if (known(inputs.name) && !/^[\w-]{1,256}$/.test(inputs.name))
    fault("name", `"${inputs.name}" is no topic name. Use letters, digits, "-" and "_" only, at most 256.`);
  for (const key of ["timeToLiveSeconds", "maxRetries", "retrySleepSeconds"] as const) {
    const value = inputs[key];
    if (!known(value)) continue;
    if (!Number.isInteger(value) || Number(value) < 0) fault(key, `${value} is no whole number of 0 or more.`);
    else if (inputs.persistent === false)
      fault(key, "counts for a persistent topic only. Leave it out, or set persistent.");
  }
  if (!known(inputs.pushEndpoint)) return faults;
  const scheme = /^(https?|kafka):\/\/([^/@]+@)?[^/:@\s]+(:\d{1,5})?(\/\S*)?$/.exec(inputs.pushEndpoint);
  // The endpoint is not shown: it may hold a password.
  if (!scheme)
    fault("pushEndpoint", "is no push endpoint. Write http://host:port/path, https://… or kafka://host:port.");
  else if ((scheme[2] || inputs.kafkaUser !== undefined) && !/^https:/.test(inputs.rgw?.url ?? ""))
    fault(
      "pushEndpoint",
      "holds a password, which the gateway takes over https only. Use the https URL of the gateway.",
    );
  const only = {
    kafkaAckLevel: "kafka",
    useSsl: "kafka",
    caLocation: "kafka",
    saslMechanism: "kafka",
    kafkaUser: "kafka",
    verifySsl: "https",
    cloudEvents: "http",
  };
  for (const [key, kind] of Object.entries(only) as [keyof TopicInputs, string][]) {
    if (scheme && known(inputs[key]) && !scheme[1]!.startsWith(kind))
      fault(key, `counts for ${kind}:// only, and the push endpoint is ${scheme[1]}://. Leave it out.`);
  }
  if (known(inputs.kafkaAckLevel) && !["none", "broker"].includes(inputs.kafkaAckLevel!))
    fault("kafkaAckLevel", `"${inputs.kafkaAckLevel}" is no level of acknowledgement. Write "none" or "broker".`);
  return faults;
}

async function put(inputs: TopicInputs): Promise<TopicOutputs> {
  const attributes = topicAttributes(inputs);
  const arn = await putTopic(inputs.rgw, inputs.name, attributes);
  return { ...inputs, arn, revision: revisionOf(attributes) };
}

/** Creates, reads, updates and deletes a topic of the gateway. Also called directly, by the local runner. */
export const topicProvider = {
  async check(_olds: TopicInputs, news: TopicInputs): Promise<pulumi.dynamic.CheckResult<TopicInputs>> {
    return { inputs: news, failures: topicFaults(news) };
  },

  async diff(_arn: string, olds: TopicOutputs, news: TopicInputs): Promise<pulumi.dynamic.DiffResult> {
    // Name and zonegroup are the topic's identity: another topic is made before the old one goes, and the notifications
    // move in between. Another URL alone is another way to the same gateway.
    const replaces = [
      ...(olds.name !== news.name ? ["name"] : []),
      ...((olds.rgw.zonegroup ?? "default") !== (news.rgw.zonegroup ?? "default") ? ["rgw"] : []),
    ];
    const was = normalised(topicAttributes(olds));
    const changed = normalised(topicAttributes(news)).some((value, index) => value !== was[index]);
    // Other credentials change nothing in the gateway, but the state must keep them for the next call.
    return {
      changes: changed || replaces.length > 0 || !sameAccess(olds.rgw, news.rgw),
      replaces,
      deleteBeforeReplace: false,
    };
  },

  async create(inputs: TopicInputs): Promise<{ id: string; outs: TopicOutputs }> {
    const outs = await put(inputs);
    return { id: outs.arn, outs };
  },

  async read(arn: string, props: TopicOutputs): Promise<{ id?: string; props?: TopicOutputs }> {
    const attributes = await getTopic(props.rgw, arn);
    if (!attributes) return {};
    const found = settingsFrom(attributes, props);
    return { id: arn, props: { ...found, arn, revision: revisionOf(topicAttributes(found)) } };
  },

  async update(arn: string, _olds: TopicOutputs, news: TopicInputs): Promise<{ outs: TopicOutputs }> {
    const outs = await put(news);
    if (outs.arn !== arn) {
      throw new Error(
        `Topic "${news.name}" at ${news.rgw.url} is ${arn}, but these credentials made ${outs.arn}: another zonegroup or ` +
          "tenant. Delete the second one, and use the old credentials or another name.",
      );
    }
    return { outs };
  },

  async delete(arn: string, props: TopicOutputs): Promise<void> {
    await deleteTopic(props.rgw, arn);
  },
};
