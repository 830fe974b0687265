export { influxAlerts } from "./alerts";
export { desiredState } from "./desired";
export { InfluxStack, influxSecretFields, influxUrlOf } from "./influxStack";
