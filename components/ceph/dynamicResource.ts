import * as pulumi from "@pulumi/pulumi";
import type * as providers from "./providers";

/**
 * A resource that a dynamic provider of this folder manages. The engine keeps the provider's code in the state and runs
 * it from there. `pulumi.dynamic.Resource` would get that code by walking the live closures, which takes 0.7 s and takes
 * along whatever they capture; here it is a bundle of `providers.ts`, which by construction holds no value of this
 * process. The SDK stays outside and is loaded from the project's `node_modules`.
 */
export abstract class CephDynamicResource extends pulumi.CustomResource {
  constructor(
    provider: keyof typeof providers,
    type: string,
    name: string,
    props: pulumi.Inputs,
    opts?: pulumi.CustomResourceOptions,
  ) {
    super(`pulumi-nodejs:dynamic/ceph:${type}`, name, { ...props, __provider: providerCode(provider) }, opts);
  }
}

let bundle: Promise<string> | undefined;

async function providerCode(provider: keyof typeof providers): Promise<string> {
  bundle ??= bundleProviders();
  return `${await bundle}\nmodule.exports.handler = () => module.exports.${provider};\n`;
}

async function bundleProviders(): Promise<string> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    // Relative to this folder, so that the bundle's comments, and with them the state, name no machine's paths.
    absWorkingDir: __dirname,
    entryPoints: ["providers.ts"],
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "node20",
    packages: "external",
  });
  return outputFiles[0]!.text;
}
