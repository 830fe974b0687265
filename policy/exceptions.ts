/** One object that need not keep to one rule. */
export interface Exception {
  /** Name of the rule. */
  readonly rule: string;
  readonly stack: string;
  /** As findings name it: `Namespace sts`, `Service summit/redis`, `NotificationTopic rubin-sts`. */
  readonly object: string;
  /** Why, and until when; every preview shows it. */
  readonly reason: string;
}

/** The only place of exceptions. One that fits nothing any more fails a test. */
export const exceptions: readonly Exception[] = [
  {
    rule: "pod-security-restricted",
    stack: "prod",
    object: "Namespace sts",
    reason: "registers files with Rucio, which only upstream's images do, and those run as root",
  },
  ...["hsc", "latiss", "lsstcam"].flatMap((instrument) =>
    ["ScaledJob %/%", "Job %/init-%", "CronJob %/cron-%"].map((object) => ({
      rule: "image-tag",
      stack: "dev",
      object: object.replaceAll("%", `prompt-keda-${instrument}`),
      reason: "development runs the newest pipelines, as their authors expect of it",
    })),
  ),
];
