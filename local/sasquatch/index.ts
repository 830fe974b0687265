import type { SasquatchConfig } from "../../components/config";
import { salTopics } from "../../components/sasquatch/sal";
import type { KnownTopic } from "./rates";
import { type Size, sizeOf } from "./size";
import { sizeInputOf, type WhatIf } from "./sizeInput";

/** Topics of SAL, with the fields of a point. */
const knownTopics = (): KnownTopic[] => salTopics().map(({ name, flattened }) => ({ name, fields: flattened }));

/** Whether an environment's data fits its disks. */
export const sizeOfEnvironment = (environment: string, sasquatch: SasquatchConfig, whatIf?: WhatIf): Size =>
  sizeOf(sizeInputOf(environment, sasquatch, knownTopics(), whatIf));
