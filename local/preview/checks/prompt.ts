import type { PromptEnvironment } from "../../../components/config";
import type { Declaration } from "../model";
import type { StackFinding } from "./finding";

/** How long a visit may wait before it is old, beside how long it takes: what comes after would never be current again. */
const shareOfExpiry = 0.5;

/** Each environment of Prompt Processing: its cameras, whether its workers suffice, and decisions that a reviewer should know. */
export function checkPrompt({ stack, recorded }: Declaration): StackFinding[] {
  if (recorded.yaml.config?.["usdf:prompt"] === undefined) return [];
  // Loaded for a stack that has it only.
  /* eslint-disable @typescript-eslint/no-require-imports */
  const { stackConfig } = require("../../stackConfig") as typeof import("../../stackConfig");
  const { servicesOf } = require("../../../components/config") as typeof import("../../../components/config");
  const { cameraNamed } =
    require("../../../workloads/src/lib/cameras") as typeof import("../../../workloads/src/lib/cameras");
  /* eslint-enable @typescript-eslint/no-require-imports */
  const { prompt } = stackConfig(stack, recorded.yaml);
  const environments = Object.entries(prompt?.environments ?? {});
  const ofServices = environments.flatMap(([name, environment]) =>
    servicesOf(prompt!, name).flatMap((service) => {
      const { instrument, scaling, worker, raws, activeDetectors, detectors, pipelines, driver, fullName } = service;
      const findings: Omit<StackFinding, "environment" | "object">[] = [];
      const known = cameraNamed(instrument)?.detectorIds;
      const used = [...new Set([...activeDetectors, ...Object.values(detectors.test).flat()])];
      const foreign = known && used.filter((id) => !known.includes(id));
      if (known === undefined)
        findings.push({ level: "warning", message: `${instrument} is no camera whose raws the router knows.` });
      else if (foreign!.length > 0)
        findings.push({ level: "error", message: `${instrument} has no detectors ${foreign!.join(", ")}. Correct detectors.` }); // prettier-ignore
      const { latencySeconds, cadenceSeconds } = scaling;
      if (latencySeconds !== undefined && cadenceSeconds !== undefined && !service.standIn) {
        const needed = Math.ceil((activeDetectors.length * latencySeconds) / cadenceSeconds);
        if (needed > scaling.max)
          findings.push({ level: "warning", message: `scaling.max is ${scaling.max}; ${activeDetectors.length} detectors × ${latencySeconds} s / ${cadenceSeconds} s need ${needed} workers. Visits would wait ever longer.` }); // prettier-ignore
      }
      if (raws.timeoutSeconds >= worker.timeoutSeconds)
        findings.push({ level: "error", message: `raws.timeoutSeconds is ${raws.timeoutSeconds}, not below worker.timeoutSeconds (${worker.timeoutSeconds}): a visit whose raws are late is ended while it waits.` }); // prettier-ignore
      if (worker.timeoutSeconds > environment.expirationSeconds * shareOfExpiry)
        findings.push({ level: "warning", message: `expirationSeconds is ${environment.expirationSeconds}, less than two visits of ${worker.timeoutSeconds} s: what waits for one worker expires.` }); // prettier-ignore
      const surveys = (list: typeof pipelines.main) => new Set(list.flatMap(({ survey = [] }) => survey));
      const main = surveys(pipelines.main);
      const unprepared = [...surveys(pipelines.preprocessing)].filter((one) => !main.has(one));
      if (unprepared.length > 0)
        findings.push({ level: "warning", message: `pipelines.preprocessing has ${unprepared.map((one) => `"${one}"`).join(", ")}, which pipelines.main has not.` }); // prettier-ignore
      const ignored = pipelines.main.filter((one) => one.pipelines.length === 0).flatMap(({ survey = [] }) => survey);
      if (ignored.length > 0 || pipelines.unmatchedSurvey === "ignore") {
        const named = ignored.map((one) => `"${one}"`).join(", ") || "none by name";
        const others = pipelines.unmatchedSurvey === "ignore" ? "all that no node names" : "an unknown one is an error";
        findings.push({ level: "note", message: `surveys that are not processed: ${named}; ${others}.` });
      }
      if (driver === "upstream")
        findings.push({ level: "note", message: "driver upstream acknowledges a visit before it works: one that a worker dies with is lost." }); // prettier-ignore
      return findings.map((one) => ({ environment: `prompt-${name}`, object: `service ${fullName}`, ...one }));
    }),
  );
  return [...environments.flatMap(([name, environment]) => unsafeListeners(name, environment)), ...ofServices];
}

/** Listeners of Kafka that are less safe than they should be, with the reason. */
function unsafeListeners(name: string, environment: PromptEnvironment): StackFinding[] {
  const { fileNotifications, outputsKafka, alertStream } = environment;
  return Object.entries({ fileNotifications, outputsKafka, alertStream }).flatMap(([part, config]): StackFinding[] => {
    const exception = config?.cluster.external?.exception;
    if (exception === undefined) return [];
    const lacks = exception.anonymous ? "neither TLS nor password" : "no TLS";
    const message = `its external listener has ${lacks}; it lets in ${config!.allow.join(", ")}. Reason: ${exception.reason}`;
    return [{ level: "note", environment: `prompt-${name}`, object: part, message }];
  });
}
