export { type Exposure, exposureOf, exposureSeconds, filesOf, fitsKey, parseDayObs, sidecarKey } from "./exposure";
export { type Detector, type Instrument, instrumentNamed, instruments } from "./instruments";
export {
  type Bucket,
  CameraError,
  clientOf,
  reasonOf,
  type SendOptions,
  type SendProgress,
  type SendResult,
  sendExposures,
  type SentExposure,
} from "./send";
