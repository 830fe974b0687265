import type { RgwAccess } from "../../components/ceph";
import { CommandError, exitCodes } from "../exit";
import { openState, type State } from "../state";
import type { SecretSource } from "./manifest";
import type { ApplyRequest, EnvironmentOf, LocalStack, StatusReport } from "./api";

/** Longest wait for what the supervisor knows, ms: a machine that starts two stacks at once has little time for either. */
const answerMs = 60_000;

/** The supervisor's HTTP API, from a command. */
export class SupervisorClient {
  constructor(private readonly state: Pick<State, "supervisorUrl" | "token">) {}

  /** What runs; `undefined` when no supervisor does. */
  async status(): Promise<StatusReport | undefined> {
    try {
      return await this.call<StatusReport>("GET", "/status", undefined, answerMs);
    } catch (error) {
      if (error instanceof NotRunning) return undefined;
      throw error;
    }
  }

  /** Tells what is wanted. */
  want(request: ApplyRequest): Promise<void> {
    return this.call("PUT", "/desired", request, 30_000);
  }

  /** Makes what runs equal to what is wanted; returns when new pods are on their way, not when they are ready. */
  apply(): Promise<{ changed: string[] }> {
    return this.call("POST", "/apply", undefined, 180_000);
  }

  /** Starts the backing services that are named, waits until they answer. */
  startServices(names: readonly string[]): Promise<void> {
    return this.call("POST", "/services", { names }, 180_000);
  }

  /** Value of a secret of the local store. */
  secret(source: SecretSource): Promise<string> {
    return this.call("POST", "/secret", source, answerMs);
  }

  /** A push endpoint as the local gateway can reach it. */
  pushEndpoint(endpoint: string, topic: string): Promise<string> {
    return this.call("POST", "/endpoint", { endpoint, topic }, 60_000);
  }

  /** The gateway, with the keys of the buckets' owner. */
  gateway(): Promise<RgwAccess> {
    return this.call("GET", "/gateway", undefined, answerMs);
  }

  stack(): Promise<LocalStack> {
    return this.call("GET", "/stack", undefined, answerMs);
  }

  /**
   * Variables of a workload's container, secrets included.
   * @param component - e.g. `reconcile`.
   * @param environment - Which one, where several environments have the component. Default: the first.
   */
  environment(component: string, environment?: string): Promise<EnvironmentOf> {
    const path = [component, ...(environment === undefined ? [] : [environment])].map(encodeURIComponent).join("/");
    return this.call("GET", `/environment/${path}`, undefined, answerMs);
  }

  /** Runs a CronJob now and waits for its end. @returns `Succeeded`, or why it did not. */
  runNow(namespace: string, name: string): Promise<string> {
    return this.call("POST", "/run", { namespace, name }, 300_000);
  }

  /** Stops all pods and services, then the supervisor itself. */
  shutdown(): Promise<void> {
    return this.call("POST", "/shutdown", undefined, 180_000);
  }

  /** Ends the supervisor alone: what it runs stays for the next one. */
  handOver(): Promise<void> {
    return this.call("POST", "/handover", undefined, answerMs);
  }

  private async call<T>(method: string, path: string, body: unknown, timeoutMs: number): Promise<T> {
    const headers = { authorization: `Bearer ${this.state.token}`, "content-type": "application/json" };
    const url = this.state.supervisorUrl + path;
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    }).catch((cause) => {
      if (cause.name === "TimeoutError")
        throw new CommandError(
          `The supervisor did not end ${method} ${path} in ${timeoutMs / 1000} s; see usdf logs supervisor.`,
        );
      throw new NotRunning("The local stack does not run; start it: npm run up", exitCodes.notRunning, { cause });
    });
    const text = await response.text();
    if (!response.ok) throw new CommandError(text || `the supervisor answered ${response.status}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }
}

class NotRunning extends CommandError {}

/**
 * The local stack that `usdf up` started in this checkout: where things are, and the keys to them.
 * @throws {@link CommandError} (exit code 3) when it does not run.
 */
export async function localStack(): Promise<LocalStack> {
  return new SupervisorClient(await openState()).stack();
}

/**
 * Variables of a workload of the running local stack, as its container has them (addresses for names, secrets included).
 * @param component - Label `app.kubernetes.io/name`, e.g. `reconcile`.
 * @param environment - Which one, where several environments have the component. Default: the first.
 * @throws {@link CommandError} (exit code 3) when the stack does not run.
 */
export async function localEnvironment(component: string, environment?: string): Promise<EnvironmentOf> {
  return new SupervisorClient(await openState()).environment(component, environment);
}
