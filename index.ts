import * as pulumi from "@pulumi/pulumi";
import { CephGateway } from "./components/ceph";
import { loadStackConfig, rawStackConfig } from "./components/config";
import { EmbargoIngest } from "./components/embargo";
import { clusterProvider, requireKubeContexts, runsInEngine, secretValue, vaultProvider } from "./components/platform";

/** The program: configuration -> systems -> stack outputs. Pulumi calls it; `usdf preview|render|up` record it. */
export = async function program() {
  const { platform, embargo, ceph } = loadStackConfig(rawStackConfig(pulumi.runtime.allConfig()), pulumi.getStack());

  const environments = Object.entries(embargo?.environments ?? {});
  const contexts = environments.map(([, settings]) => (settings.kubeContext ?? embargo?.kubeContext)!);
  if (runsInEngine()) requireKubeContexts([...new Set(contexts)]);
  const clusters = new Map([...new Set(contexts)].map((context) => [context, clusterProvider(context)]));

  const vault = platform.vault && vaultProvider(platform.vault);
  const ingest: Record<string, EmbargoIngest> = {};
  environments.forEach(([name], index) => {
    const providers = [clusters.get(contexts[index]!)!, ...(vault ? [vault] : [])];
    ingest[name] = new EmbargoIngest(name, { embargo: embargo!, platform }, { providers });
  });

  const topicArns: Record<string, pulumi.Output<string>> = {};
  for (const [name, endpoint] of Object.entries(ceph.endpoints)) {
    const gateway = new CephGateway(name, {
      endpoint,
      managesPolicies: ceph.bucketPolicies === "managed",
      protectTopics: platform.protectData,
      receiverOf: ({ to, pushEndpoint, opaqueDataFrom }) =>
        to
          ? ingest[to.environment]!.receiver()
          : {
              pushEndpoint: pushEndpoint!,
              opaqueData: opaqueDataFrom && secretValue(opaqueDataFrom, platform.secrets, { provider: vault }),
            },
    });
    Object.assign(topicArns, gateway.topicArns);
  }

  return {
    embargo: Object.fromEntries(
      environments.map(([name]) => {
        const { presenceUrl, pushEndpoint: enqueueUrl, redisEndpoint } = ingest[name]!;
        return [name, { enqueueUrl, presenceUrl, redisEndpoint, topicArns: topicsTo(name) }];
      }),
    ),
  };

  /** ARNs of the topics that feed an environment. */
  function topicsTo(environment: string): pulumi.Output<string>[] {
    return Object.values(ceph.endpoints).flatMap(({ topics }) =>
      Object.entries(topics).flatMap(([name, { to }]) => (to?.environment === environment ? [topicArns[name]!] : [])),
    );
  }
};
