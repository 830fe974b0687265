import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Longest wait for kubectl, ms. */
const answerMs = 20_000;

/** A Secret object of a cluster, by names only. */
export interface LiveSecret {
  readonly name: string;
  /** `Opaque`, `kubernetes.io/service-account-token`, … */
  readonly type: string;
  readonly keys: readonly string[];
}

/** One line a Secret: values never leave kubectl. */
const template =
  '{{range .items}}{{.metadata.name}}{{"\\t"}}{{.type}}{{range $key, $value := .data}}{{"\\t"}}{{$key}}{{end}}{{"\\n"}}{{end}}';

/** Secrets of a namespace. @throws Error with kubectl's own reason. */
export async function liveSecrets(context: string, namespace: string): Promise<LiveSecret[]> {
  const where = ["--context", context, "--namespace", namespace, `--request-timeout=${answerMs}ms`];
  const args = [...where, "get", "secrets", "--output", `go-template=${template}`];
  const options = { env: process.env, timeout: answerMs + 5_000, maxBuffer: 16 << 20 };
  const { stdout } = await promisify(execFile)("kubectl", args, options).catch(
    (error: NodeJS.ErrnoException & { stderr?: string }) => {
      const reason = error.stderr?.trim().split("\n").at(-1) || "kubectl did not answer";
      throw new Error(error.code === "ENOENT" ? "kubectl is not on the PATH" : reason, { cause: error });
    },
  );
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [name, type, ...keys] = line.split("\t");
      return { name: name!, type: type!, keys };
    });
}
