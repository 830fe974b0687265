import { expand, mean, unnamed, untold } from "../family";
import type { ColumnFile } from "../model";
import { lsstcomcam } from "./lsstcomcam";

/** The same telescope and dome as for the commissioning camera, and two thermometers more. */
export const lsstcam: ColumnFile = {
  version: "1.1.0",
  columns: expand(lsstcomcam.columns, {
    name: "mt_salindex122_temperature_{item}",
    topic: "ESS.temperature",
    fields: "temperatureItem{item} salIndex",
    about: "M2-ESS02, temperature item {item}, {side} Truss Structure",
    unit: "deg_C",
    ucd: "phys.temperature;stat.mean",
    stats: [untold(unnamed(mean))],
    over: [
      { item: 6, side: "plus X plus Y" },
      { item: 7, side: "minus X minus Y" },
    ],
    salIndex: 122,
  }),
};
