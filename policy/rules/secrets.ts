import { containersOf, kindOf, pathText, type PolicyObject, textsOf } from "./object";
import type { Rule } from "./rule";

const passwordWord = "password|passwd|passphrase";
const otherWord = "pwd|secret|token|api_?key|access_?key|private_?key|credential";
const secretWord = `${passwordWord}|${otherWord}`;
/** PGPASSWORD is one word; `token` within `tokenizer` is none. */
const namesSecret = new RegExp(`${passwordWord}|(^|[^a-z])(${otherWord})s?([^a-z]|$)|_auth$`, "i");
const namesPlace = /(file|path|dir|folder|name|url)$/i;

/** Whether a variable or key is by its name something secret, and not the place of it. */
function isSecretName(name: string): boolean {
  return namesSecret.test(name.replace(/([a-z0-9])([A-Z])/g, "$1_$2")) && !namesPlace.test(name);
}

/** What is no secret in such a place: nothing, a switch, a path, a reference that is resolved later. */
const harmless = /^(|true|false|\/.*|\$[({].*|\$\w+|\{\{.*)$/;

const urlWithPassword = /[a-z][a-z0-9+.-]*:\/\/[^\s/:@?#]*:(?!\$)[^\s/@?#]+@/i;
const setting = new RegExp(`^\\s*["']?[\\w.-]*(?:${secretWord})["']?\\s*[:=]\\s*["']?([^"'\\s]*)`, "gim");
const option = new RegExp(`^--?[\\w-]*(?:${secretWord})(?:=(.*))?$`, "is");

export const plainSecret: Rule = {
  name: "plain-secret",
  level: "mandatory",
  about:
    "No secret is plain: variables take it from a Secret, Secret objects are encrypted in the state, and neither arguments, " +
    "ConfigMaps nor URLs hold one.",
  why: "What is plain is read by everyone who may read the object, the state, the process list or the rendered files.",
  check: (object) => {
    const kind = kindOf(object);
    return [
      ...containersOf(object).flatMap((container) => [...variables(container), ...args(container)]),
      ...(kind === "Secret" ? openFields(object) : []),
      ...(kind === "ConfigMap" ? configMap(object) : []),
      ...urls(object),
    ];
  },
};

function variables({ name, env = [] }: { name: string; env?: { name: string; value?: string }[] }): string[] {
  return env
    .filter((variable) => isSecretName(variable.name) && !harmless.test(variable.value ?? ""))
    .map(
      (variable) =>
        `variable ${variable.name} of container ${name} has its value in plain. Take it from a Secret (valueFrom.secretKeyRef).`,
    );
}

function args({ name, command = [], args = [] }: { name: string; command?: string[]; args?: string[] }): string[] {
  const words = [...command, ...args];
  return words.flatMap((word, index) => {
    const match = option.exec(word);
    if (!match || namesPlace.test(word.split("=")[0]!)) return [];
    const value = match[1] ?? (words[index + 1]?.startsWith("-") ? "" : (words[index + 1] ?? ""));
    if (harmless.test(value)) return [];
    return [
      `container ${name} is given ${word.split("=")[0]} as an argument, which every process list shows. Use a variable from a Secret, or a file.`,
    ];
  });
}

function openFields(object: PolicyObject): string[] {
  return ["data", "stringData"].flatMap((part) =>
    Object.keys(object.inputs[part] ?? {})
      .filter((key) => !object.isSecret([part, key]))
      .map(
        (key) => `${part}.${key} is in plain in the state. Give it as a Pulumi secret, or declare a SecretReference.`,
      ),
  );
}

function configMap({ inputs }: PolicyObject): string[] {
  return Object.entries((inputs.data ?? {}) as Record<string, unknown>).flatMap(([key, value]) => {
    const text = String(value);
    const isSecret =
      (isSecretName(key) && !harmless.test(text)) ||
      [...text.matchAll(setting)].some(([, found = ""]) => !harmless.test(found));
    return isSecret ? [`data.${key} of the ConfigMap holds a secret in plain. Put it into a Secret.`] : [];
  });
}

/** What the engine keeps encrypted may hold a password; a provider's inputs are the configuration of the stack. */
function urls(object: PolicyObject): string[] {
  if (object.type.startsWith("pulumi:providers:")) return [];
  const { __provider: _, ...inputs } = object.inputs;
  return textsOf(inputs, (value) => urlWithPassword.test(value))
    .filter(({ path }) => !object.isSecret(path))
    .map(({ path }) => `${pathText(path)} is a URL with a password in it. Give the password by a Secret.`);
}
