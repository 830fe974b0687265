import * as pulumi from "@pulumi/pulumi";
import { CephGateway } from "./components/ceph";
import { kubeContextOf, loadStackConfig, rawStackConfig } from "./components/config";
import { TransformedEfd } from "./components/efd";
import { EmbargoIngest } from "./components/embargo";
import { type Outputs, outputsVersion, type StackOutputs } from "./components/outputs";
import { clusterProvider, requireKubeContexts, runsInEngine, secretValue, vaultProvider } from "./components/platform";
import { PromptProcessing } from "./components/prompt";
import { Sasquatch } from "./components/sasquatch";
import { version } from "./package.json";

/** The program: configuration -> systems -> stack outputs. Pulumi calls it; `usdf preview|render|up` record it. */
export = async function program(): Promise<Outputs> {
  const { platform, embargo, efd, sasquatch, prompt, ceph } = loadStackConfig(
    rawStackConfig(pulumi.runtime.allConfig()),
    pulumi.getStack(),
  );

  const environments = Object.entries(embargo?.environments ?? {});
  const contexts = environments.map(([, settings]) => kubeContextOf(settings, embargo!));
  const sasquatches = Object.entries(sasquatch?.environments ?? {});
  const prompts = Object.entries(prompt?.environments ?? {});
  const ofOthers = [
    ...(efd ? [efd.kubeContext] : []),
    ...[...sasquatches, ...prompts].map(([, { kubeContext }]) => kubeContext),
  ];
  const allContexts = [...new Set([...contexts, ...ofOthers])];
  if (runsInEngine()) requireKubeContexts(allContexts);
  const clusters = new Map(allContexts.map((context) => [context, clusterProvider(context)]));

  const vault = platform.vault && vaultProvider(platform.vault);
  const providersOf = (context: string) => [clusters.get(context)!, ...(vault ? [vault] : [])];
  const ingest: Record<string, EmbargoIngest> = {};
  environments.forEach(([name], index) => {
    ingest[name] = new EmbargoIngest(
      name,
      { embargo: embargo!, platform },
      { providers: providersOf(contexts[index]!) },
    );
  });

  const transformed = Object.keys(efd?.environments ?? {}).map((name) => {
    const providers = providersOf(efd!.kubeContext);
    return [name, new TransformedEfd(name, { efd: efd!, platform }, { providers }).outputs] as const;
  });

  const timeSeries = sasquatches.map(([name, { kubeContext }]) => {
    const args = { sasquatch: sasquatch!, environment: name, platform };
    return [name, new Sasquatch(args, { providers: providersOf(kubeContext) }).outputs] as const;
  });

  const promptProcessing = new Map(
    prompts.map(([name, { kubeContext }]) => {
      const args = { prompt: prompt!, environment: name, platform };
      return [name, new PromptProcessing(args, { providers: providersOf(kubeContext) })] as const;
    }),
  );

  const gateways: Outputs<StackOutputs["ceph"]> = {};
  for (const [name, endpoint] of Object.entries(ceph.endpoints)) {
    const { topicArns } = new CephGateway(name, {
      endpoint,
      managesPolicies: ceph.bucketPolicies === "managed",
      protectTopics: platform.protectData,
      receiverOf: ({ to, pushEndpoint, opaqueDataFrom }) => {
        if (to?.prompt !== undefined) return promptProcessing.get(to.prompt)!.fileNotifications!.receiver();
        if (to !== undefined) return ingest[to.environment!]!.receiver();
        const opaqueData = opaqueDataFrom && secretValue(opaqueDataFrom, platform.secrets, { provider: vault });
        return { pushEndpoint: pushEndpoint!, opaqueData };
      },
    });
    const topics = Object.entries(endpoint.topics).map(([topic, { to }]) => {
      return [topic, { arn: topicArns[topic]!, environment: to?.environment }];
    });
    gateways[name] = { url: endpoint.url, topics: Object.fromEntries(topics) };
  }

  return {
    apiVersion: outputsVersion,
    versions: { usdf: version },
    embargo: Object.fromEntries(environments.map(([name]) => [name, ingest[name]!.outputs])),
    efd: Object.fromEntries(transformed),
    sasquatch: Object.fromEntries(timeSeries),
    prompt: Object.fromEntries([...promptProcessing].map(([name, { outputs }]) => [name, outputs])),
    ceph: gateways,
  };
};
