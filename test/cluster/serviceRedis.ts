import { Redis } from "ioredis";
import type { Node } from "./node";

/** A client of a Redis in the node, at its Service's address; who asked for it disconnects it. */
export async function serviceRedis(node: Node, namespace: string, service: string, password: string): Promise<Redis> {
  const { spec } = await node.call("GET", `/api/v1/namespaces/${namespace}/services/${service}`);
  const client = new Redis({ host: spec.clusterIP as string, password, maxRetriesPerRequest: null });
  client.on("error", () => {}); // it connects again by itself
  return client;
}
