import type { ContainerStatus } from "./container";
import type { RecordedObject } from "./manifest";

/** What `usdf up` asks the supervisor to run. */
export interface ApplyRequest {
  readonly stack: string;
  readonly resources: readonly RecordedObject[];
}

export interface PodStatus {
  readonly name: string;
  readonly namespace: string;
  /** Deployment, StatefulSet, Job or CronJob, and its name. */
  readonly controller: string;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed" | "Terminating";
  readonly ready: boolean;
  readonly restarts: number;
  readonly address: string;
  /** When the pod was made, ms since 1970. */
  readonly sinceMs: number;
  readonly reason?: string;
  readonly containers: readonly ContainerStatus[];
}

export interface ServiceStatus {
  /** `rgw`, `kafka`, `registry`, `postgres`, `influxdb`. */
  readonly name: string;
  readonly phase: "Starting" | "Running" | "Failed" | "External";
  readonly address: string;
  readonly restarts: number;
  readonly pids: readonly number[];
  readonly sinceMs: number;
  readonly reason?: string;
}

export interface CronStatus {
  readonly name: string;
  readonly namespace: string;
  readonly schedule: string;
  readonly suspended: boolean;
  readonly lastStartMs?: number;
  /** `Running`, `Succeeded`, or why it failed. */
  readonly lastResult?: string;
}

/** Workers of a ScaledJob. */
export interface ScaledStatus {
  readonly name: string;
  readonly namespace: string;
  readonly min: number;
  readonly max: number;
  readonly running: number;
  /** Entries of its stream that nobody has read yet; undefined before it was looked at. */
  readonly waiting?: number;
  /** Workers that ended, since the supervisor began. */
  readonly succeeded: number;
  readonly failed: number;
  /** Why the stream could not be looked at. */
  readonly reason?: string;
}

export interface StatusReport {
  readonly supervisor: {
    readonly pid: number;
    readonly sinceMs: number;
    readonly network: string;
    /** Digest of the code it runs. */
    readonly code: string;
  };
  readonly services: readonly ServiceStatus[];
  readonly pods: readonly PodStatus[];
  readonly crons: readonly CronStatus[];
  readonly scaled: readonly ScaledStatus[];
  /** Service objects: name, address, ports, number of ready pods behind. */
  readonly forwards: readonly {
    readonly name: string;
    readonly address: string;
    readonly ports: readonly number[];
    readonly ready: number;
  }[];
}

/** Variables of a container, and the folder that it runs in. */
export interface EnvironmentOf {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly command: readonly string[];
}

/** Where things of the running local stack are, with the keys to them. */
export interface LocalStack {
  /** Environment of embargo ingest, e.g. `local`. */
  readonly environment: string;
  /** The gateway, and the user who owns the buckets (the camera). */
  readonly s3: { readonly endpoint: string; readonly accessKey: string; readonly secretKey: string };
  /** The raw bucket: as S3 names it, and as Redis does (`[profile@]bucket`). */
  readonly bucket: { readonly name: string; readonly path: string };
  readonly redis: { readonly host: string; readonly port: number; readonly password: string };
  readonly enqueueUrl?: string;
  /** `http://…:8080/presence`. */
  readonly presenceUrl?: string;
  readonly butlerRepo: string;
  /** None where the stack has no transformed EFD. */
  readonly efd?: LocalEfd;
  /** None where the stack has no prompt processing. */
  readonly prompt?: LocalPrompt;
}

/** Prompt processing of the local stack. */
export interface LocalPrompt {
  /** Environment, e.g. `local`. */
  readonly environment: string;
  readonly nextVisitTopic: string;
  /** Kafka and the schema registry, as testers take them. */
  readonly brokers: readonly string[];
  readonly registryUrl: string;
  /** The Redis of the streams. */
  readonly redis: { readonly host: string; readonly port: number; readonly password?: string };
  /** Services by instrument, e.g. of `LSSTCam`. */
  readonly services: Readonly<Record<string, LocalPromptService>>;
}

/** Workers of an instrument. */
export interface LocalPromptService {
  readonly namespace: string;
  readonly name: string;
  readonly stream: string;
  readonly consumerGroup: string;
  /** Ids of the detectors that visits go to. */
  readonly detectors: readonly number[];
}

/** The EFD of the local stack: what telemetry is sent to, where it is stored, and what is made of it. */
export interface LocalEfd {
  /** Kafka and the schema registry, as producers of telemetry take them. */
  readonly sal: { readonly brokers: readonly string[]; readonly registryUrl: string };
  /** What stores topics. */
  readonly connectors: readonly LocalConnector[];
  /** InfluxDB, with who may read the EFD. */
  readonly influxdb: {
    readonly url: string;
    readonly database: string;
    readonly username: string;
    readonly password: string;
  };
  /** The consolidated database, with the password. */
  readonly consdbUrl: string;
  /** Environment of each instrument, e.g. of `LSSTCam`. */
  readonly instruments: Readonly<Record<string, LocalInstrument>>;
}

/** A connector from Kafka to InfluxDB. */
export interface LocalConnector {
  readonly namespace: string;
  readonly name: string;
  /** Regular expression of its topics' whole names. */
  readonly topicPattern: string;
  readonly consumerGroup: string;
  readonly deadLetterTopic: string;
  readonly database: string;
}

/** CronJobs of an instrument. */
export interface LocalInstrument {
  readonly namespace: string;
  readonly cronJob: string;
  readonly failureMonitor: string;
  /** Length of a window, minutes. */
  readonly chunkMinutes: number;
}
