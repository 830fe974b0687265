import { containersOf, kindOf, pathText, podSpecsOf, textsOf, unknown } from "./object";
import type { Rule } from "./rule";

/** Kinds whose pods run until they are told to stop. */
const servers = new Set(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"]);

const isImage = (_: string, key: string) => key === "image" || key === "imageName";

export const imageTag: Rule = {
  name: "image-tag",
  level: "mandatory",
  about: "Every image has a tag other than `latest`, or a digest.",
  why: "`latest` is another program on the next node that pulls it, and nothing shows what ran yesterday.",
  check: (object) =>
    kindOf(object) === undefined
      ? []
      : textsOf(object.inputs.spec, isImage, ["spec"]).flatMap(({ path, value }) => {
          if (value === unknown || /@sha256:[0-9a-f]{64}$/.test(value)) return [];
          const tag = /^[^@:]+:([\w][\w.-]*)$/.exec(value.slice(value.lastIndexOf("/") + 1))?.[1];
          if (tag !== undefined && tag !== "latest") return [];
          const fault = tag === undefined ? "has neither tag nor digest" : "has the tag latest, which moves";
          return [`${pathText(path)} "${value}" ${fault}. Name a version, or a digest.`];
        }),
};

export const probes: Rule = {
  name: "probes",
  level: "mandatory",
  about: "A container that listens on a port and runs until stopped has a readiness and a liveness probe.",
  why: "Without readiness a Service sends to a pod that cannot answer; without liveness a hung one stays.",
  check: (object) =>
    servers.has(kindOf(object) ?? "")
      ? podSpecsOf(object)
          .flatMap((spec) => spec.containers)
          .filter(({ ports = [] }) => ports.length > 0)
          .flatMap((container) =>
            ["readinessProbe", "livenessProbe"]
              .filter((probe) => container[probe] === undefined)
              .map((probe) => `container ${container.name} listens on a port and has no ${probe}. Give it one.`),
          )
      : [],
};

export const resources: Rule = {
  name: "resources",
  level: "mandatory",
  about: "Every container has requests and limits of CPU and memory.",
  why: "Without requests the scheduler fills a node past what it has; without limits one leak takes the neighbours along.",
  check: (object) =>
    containersOf(object).flatMap((container) => {
      const missing = ["requests", "limits"].flatMap((part) =>
        ["cpu", "memory"]
          .filter((amount) => container.resources?.[part]?.[amount] === undefined)
          .map((amount) => `${part}.${amount}`),
      );
      return missing.length === 0
        ? []
        : [`container ${container.name} lacks resources ${missing.join(", ")}. Set them.`];
    }),
};

export const hostAccess: Rule = {
  name: "host-access",
  level: "mandatory",
  about: "No pod uses its node's network, processes, files or ports, and no container is privileged.",
  why: "Whoever breaks into such a pod has the node, and with it every pod on it.",
  check: (object) =>
    podSpecsOf(object).flatMap((spec) => {
      const faults = ["hostNetwork", "hostPID", "hostIPC"].filter((field) => spec[field] === true);
      for (const volume of spec.volumes ?? [])
        if (volume.hostPath !== undefined) faults.push(`hostPath (volume ${volume.name})`);
      for (const container of containersOf(object)) {
        const { name, ports = [], securityContext = {} } = container;
        if (securityContext.privileged === true) faults.push(`privileged (container ${name})`);
        if (securityContext.allowPrivilegeEscalation === true)
          faults.push(`allowPrivilegeEscalation (container ${name})`);
        const added = (securityContext.capabilities?.add ?? []).filter((one: string) => one !== "NET_BIND_SERVICE");
        if (added.length > 0) faults.push(`capabilities ${added.join(", ")} (container ${name})`);
        if (ports.some(({ hostPort }: { hostPort?: number }) => hostPort)) faults.push(`hostPort (container ${name})`);
      }
      return faults.map((fault) => `asks for ${fault}. Remove it.`);
    }),
};

const enforce = "pod-security.kubernetes.io/enforce";

/** Level of Pod Security that a Namespace enforces; `undefined` for any other object. */
const enforcedBy = (object: Parameters<Rule["check"]>[0]): string | undefined =>
  kindOf(object) === "Namespace" ? (object.inputs.metadata?.labels?.[enforce] ?? "nothing") : undefined;

export const podSecurity: Rule = {
  name: "pod-security",
  level: "mandatory",
  about: `Every namespace enforces Pod Security "baseline" or "restricted" (label \`${enforce}\`).`,
  why: "The label makes the API server refuse what the rule host-access forbids, from whoever applies it.",
  check: (object) => {
    const level = enforcedBy(object);
    if (level === undefined || ["baseline", "restricted", unknown].includes(level)) return [];
    return [`enforces ${level} of Pod Security. Set the label ${enforce}: restricted.`];
  },
};

export const podSecurityRestricted: Rule = {
  name: "pod-security-restricted",
  level: "advisory",
  about: 'Namespaces enforce Pod Security "restricted".',
  why: "Only images of others that run as root need less; ours run in it.",
  check: (object) =>
    enforcedBy(object) === "baseline"
      ? ["enforces baseline of Pod Security. Enforce restricted once all its images are ours."]
      : [],
};
