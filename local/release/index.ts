/** What `usdf release` does. */
export { applyRelease, pulumiUp } from "./apply";
export { planRelease, type ReleaseOptions, type ReleasePlan } from "./plan";
export { obstaclesOf, textOfPlan } from "./text";
