import * as pulumi from "@pulumi/pulumi";
import { outputsVersion, type StackOutputs, stackOutputsSchema } from "./schema";

/**
 * Outputs of a stack of this project, typed, for a program of another project.
 * @param stack - The stack, e.g. `new pulumi.StackReference("organization/usdf/prod")`.
 * @returns What the stack last wrote. Looking deeper is `usdfOutputs(stack).embargo.apply((all) => all["summit"]?.presenceUrl)`.
 * @throws RunError, in the preview already, when the stack was never brought up or has outputs of another form.
 */
export function usdfOutputs(stack: pulumi.StackReference): pulumi.Output<StackOutputs> {
  return pulumi.all([stack.name, stack.outputs]).apply(([name, outputs]) => readOutputs(name, outputs));
}

/** @throws RunError that names the stack, what is wrong with its outputs, and what to do. */
export function readOutputs(stack: string, outputs: unknown): StackOutputs {
  const result = stackOutputsSchema.safeParse(outputs);
  if (result.success) return result.data;
  const { apiVersion } = (outputs ?? {}) as { apiVersion?: unknown };
  if (apiVersion === undefined)
    throw fault(
      `Stack ${stack} has no output apiVersion: it is none of usdf, or was not brought up yet. ` +
        "Correct the name, or run `pulumi up` there first.",
    );
  if (apiVersion !== outputsVersion)
    throw fault(
      `Stack ${stack} has outputs of form ${JSON.stringify(apiVersion)}, this program reads form ${outputsVersion}. ` +
        "Use the version of usdf that the stack was brought up with.",
    );
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw fault(`Outputs of stack ${stack} cannot be read: ${faults.join("; ")}. Run \`pulumi up\` there again.`);
}

/** An error that Pulumi shows without the frames of this file. */
function fault(message: string): Error {
  return Object.assign(new pulumi.RunError(message), { stack: message });
}
