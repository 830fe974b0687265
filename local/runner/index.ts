export type { EnvironmentOf, LocalStack, StatusReport } from "./api";
export { localEnvironment, localStack, SupervisorClient } from "./client";
