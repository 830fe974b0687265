import { createHash } from "node:crypto";

/** Longest name of a Kubernetes object. */
const maxName = 253;
const hashLength = 10;
const hashed = new RegExp(`-[0-9a-f]{${hashLength}}$`);
const legal = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * Name of the KafkaTopic of a topic. A topic whose name Kubernetes takes keeps it. Others, as all of SAL, get small letters
 * and a hash of the real name, since `vacuum_Cryo` and `vacuum_cryo` are two topics. A legal name that ends like such a
 * hash gets one too, so the two sorts never meet.
 */
export function topicObjectName(topic: string): string {
  if (legal.test(topic) && topic.length <= maxName && !hashed.test(topic)) return topic;
  const hash = createHash("sha256").update(topic).digest("hex").slice(0, hashLength);
  const readable = topic
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/-*\.[-.]*/g, ".")
    .slice(0, maxName - hashLength - 1)
    .replace(/^[-.]+|[-.]+$/g, "");
  return readable === "" ? `topic-${hash}` : `${readable}-${hash}`;
}
