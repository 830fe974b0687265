"""Makes a Butler repository and puts records into it: root, settings and records as JSON on standard input.

Times are TAI in ISO 8601, a comma between begin and end; an empty one is unbounded."""

import json
import sys

from astropy.time import Time
from lsst.daf.butler import Butler, Config, Timespan

given = json.load(sys.stdin)
config = Config()
for key, value in given["settings"].items():
    config[tuple(key.split("."))] = value
Butler.makeRepo(given["root"], config=config)
butler = Butler.from_config(given["root"], writeable=True)
registry = butler.registry


def timespan(text):
    begin, end = (Time(part, scale="tai") if part else None for part in text.split(","))
    return Timespan(begin, end)


for instrument in given["instruments"]:
    registry.insertDimensionData("instrument", {"name": instrument, "visit_system": 0})
    registry.insertDimensionData("physical_filter", {"instrument": instrument, "name": "r", "band": "r"})
    for system in (0, 1):
        registry.insertDimensionData("visit_system", {"instrument": instrument, "id": system, "name": f"system{system}"})
    for day_obs in sorted({record["day_obs"] for record in given["records"]}):
        registry.insertDimensionData("day_obs", {"instrument": instrument, "id": day_obs})
for record in given["records"]:
    common = {"instrument": record["instrument"], "id": record["id"], "physical_filter": "r",
              "day_obs": record["day_obs"], "seq_num": record["seq_num"]}
    if record["timespan"] is not None:
        common["timespan"] = timespan(record["timespan"])
    if record["element"] == "exposure":
        group = f"group{record['id']}"
        registry.insertDimensionData("group", {"instrument": record["instrument"], "name": group})
        common |= {"obs_id": f"obs{record['id']}", "group": group}
    else:
        common |= {"name": f"visit{record['id']}"}
    registry.insertDimensionData(record["element"], common)
