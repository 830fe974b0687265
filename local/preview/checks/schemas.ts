import { notificationFaults, topicFaults, type NotificationInputs, type TopicInputs } from "../../../components/ceph";
import { validateObject } from "../../../components/platform/schemas";
import type { DeclaredObject } from "../model";
import { error, type StackFinding } from "./finding";

/** Each object against the schema of its kind, or against what the gateway takes. */
export function checkSchemas(objects: readonly DeclaredObject[]): StackFinding[] {
  return objects.flatMap((object) => {
    if (object.type === "kubernetes") {
      // The title is said once, by the finding.
      return validateObject(object.content).map((fault) => error(object, fault.slice(fault.indexOf(": ") + 2)));
    }
    return object.resources.flatMap(({ inputs }) => {
      const faults =
        object.type === "topic"
          ? topicFaults(inputs as unknown as TopicInputs)
          : object.type === "notification"
            ? notificationFaults(inputs as unknown as NotificationInputs)
            : [];
      return faults.map(({ property, reason }) => error(object, `${property} ${reason}`));
    });
  });
}
