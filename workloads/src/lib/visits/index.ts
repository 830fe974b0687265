/** Visits on their way to the workers, in Redis: see ARCHITECTURE.md, "Redis: prompt processing". */
export { isExpired, recordAgeSeconds, visitAgeSeconds } from "./age";
export {
  type DeadLetter,
  fieldsOf,
  letterState,
  type LetterState,
  parkedLetters,
  type ParkedLetter,
  parkLetters,
  removeLetters,
  reviveLetter,
  type Stage,
} from "./deadLetters";
export { promptKey, slugOf } from "./keys";
export { type Retry, takeRetries } from "./retries";
export { countLag } from "./lag";
export { beginPosts, type BegunPosts, endPost } from "./posts";
export {
  type AddedVisit,
  type AddOutcome,
  addVisit,
  announcedVisit,
  type AnnouncedVisit,
  dropIdleConsumers,
  ensureGroup,
  isGroupMissing,
  type PutBack,
  putBack,
  type PutBackOptions,
  type StaleEntry,
  staleEntries,
  type StreamEntry,
  type StreamGroup,
  streamState,
  type StreamState,
  trimStream,
  visitLifetimeSeconds,
} from "./streams";
export {
  attemptOf,
  coordinateSystems,
  domes,
  type FannedOutVisit,
  type NextVisit,
  rotationSystems,
  VisitError,
  type VisitErrorCode,
  visitFields,
  visitJson,
  visitOf,
  visitOfFields,
} from "./visit";
