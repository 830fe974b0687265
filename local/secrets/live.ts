import { kubectl } from "../kubectl";

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

/** Secrets of a namespace. @throws KubectlError */
export async function liveSecrets(context: string, namespace: string): Promise<LiveSecret[]> {
  const stdout = await kubectl({ context, namespace }, "get", "secrets", "--output", `go-template=${template}`);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [name, type, ...keys] = line.split("\t");
      return { name: name!, type: type!, keys };
    });
}
