import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { usdfOutputs } from "../../../components/outputs";

const config = new pulumi.Config();
const usdf = usdfOutputs(new pulumi.StackReference(config.require("usdfStack")));
const environment = config.require("environment");

const presenceUrl = usdf.embargo.apply((environments) => {
  const url = environments[environment]?.presenceUrl;
  if (url !== undefined) return url;
  const known = Object.keys(environments).filter((name) => environments[name]!.presenceUrl !== undefined);
  throw new pulumi.RunError(`Environment "${environment}" has no presence. These have: ${known.join(", ") || "none"}.`);
});

const cluster = new k8s.Provider("cluster", { context: config.require("kubeContext") });
new k8s.core.v1.ConfigMap(
  "usdf",
  {
    metadata: { name: "usdf", namespace: config.require("namespace") },
    data: { RAW_MICROSERVICE: presenceUrl },
  },
  { provider: cluster },
);
