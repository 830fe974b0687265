import { execFile } from "node:child_process";

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
export function liveSecrets(context: string, namespace: string): Promise<LiveSecret[]> {
  const args = ["--context", context, "--namespace", namespace, `--request-timeout=${answerMs}ms`];
  const get = ["get", "secrets", "--output", `go-template=${template}`];
  return new Promise((resolve, reject) => {
    execFile(
      "kubectl",
      [...args, ...get],
      { timeout: answerMs + 5_000, maxBuffer: 16 << 20 },
      (error, stdout, stderr) => {
        if (error) {
          const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
          reject(
            new Error(missing ? "kubectl is not on the PATH" : stderr.trim().split("\n").at(-1) || "kubectl failed"),
          );
          return;
        }
        resolve(
          stdout
            .split("\n")
            .filter(Boolean)
            .map((line) => {
              const [name, type, ...keys] = line.split("\t");
              return { name: name!, type: type!, keys };
            }),
        );
      },
    );
  });
}
