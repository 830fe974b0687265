export { RawArrivals, rawListener, type RawsOf } from "./arrivals";
export { type ForeignGroup, foreignGroups, forgetForeignGroup, type PublishOptions, publishRaws } from "./publish";
export { parseRaw, type Raw, rawField } from "./raw";
