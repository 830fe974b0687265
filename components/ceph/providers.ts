/** Entry point of the bundle that goes into the state; see dynamicResource.ts. */
export { notificationProvider } from "./notificationProvider";
export { topicProvider } from "./topicProvider";
