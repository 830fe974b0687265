export { desiredState } from "./desired";
export { InfluxStack, influxSecretFields, influxUrlOf } from "./influxStack";
