import { cameraNamed } from "../../workloads/src/lib/cameras";
import type { Header } from "../../workloads/src/lib/fits";
import type { RawGroup } from "../../workloads/src/upload/rawGroup";
import { salIndexOf } from "../../workloads/src/upload/salIndex";
import { observedSky } from "../../workloads/src/upload/skyTime";
import { exposureOf, filesOf, instrumentNamed } from "../camera";

/** Day of the exposures that are sent anew; long past, so that nothing takes them for those of a night. */
const day = "20240101";

/** Groups of one snap each that the simulated camera takes: all detectors that prompt processing may process. */
export function simulatedGroups(name: string, groups: number): RawGroup[] {
  const instrument = instrumentNamed(name);
  const detectors = instrument.detectors.filter(({ purpose }) => purpose === "SCIENCE");
  return Array.from({ length: groups }, (_, index): RawGroup => {
    const exposure = exposureOf(instrument, day, index + 1);
    const file = (detector: (typeof detectors)[number]) => {
      const { fits, sidecar } = filesOf(exposure, detector);
      return { fits, header: JSON.parse(sidecar.toString("utf8")) as Header };
    };
    const camera = cameraNamed(name)!;
    return {
      name: exposure.groupId,
      salIndex: salIndexOf(camera),
      ...observedSky(camera, file(detectors[0]!).header),
      snaps: [
        detectors.map((detector) => ({
          name: `simulated ${exposure.obsId}, detector ${detector.name}`,
          detector: detector.id,
          load: async () => file(detector),
        })),
      ],
    };
  });
}
