export { auditTopics, type ComponentAudit, findingsOf, type TopicsAudit, type TopicsFinding } from "./audit";
export { showAudit, showAudits } from "./show";
