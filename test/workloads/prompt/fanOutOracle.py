"""Python's own reading and writing of visits. Reads a JSON object from stdin, prints one:

doubles:  texts of float.hex() -> their repr
records:  visits as JSON -> fields of a stream entry, by the rule "repr of what is no text"
entries:  fields of stream entries -> visits, as a worker converts them
events:   CloudEvents as JSON -> the visit in their data, which is JSON text in a JSON string
"""

import json
import sys

INTS = ("salIndex", "scriptSalIndex", "nimages", "totalCheckpoints", "detector", "coordinateSystem", "rotationSystem", "dome")
FLOATS = ("startTime", "cameraAngle", "duration", "private_sndStamp")


def written(record):
    return {name: value if isinstance(value, str) else repr(value) for name, value in record.items()}


def read(fields):
    visit = dict(fields)
    for name in INTS:
        visit[name] = int(visit[name])
    for name in FLOATS:
        visit[name] = float(visit[name])
    visit["position"] = [float(value) for value in visit["position"].strip("[]").split(",")]
    return visit


asked = json.load(sys.stdin)
answer = {
    "doubles": [repr(float.fromhex(text)) for text in asked.get("doubles", [])],
    "records": [written(record) for record in asked.get("records", [])],
    "entries": [read(fields) for fields in asked.get("entries", [])],
    "events": [json.loads(json.loads(event)["data"]) for event in asked.get("events", [])],
}
json.dump(answer, sys.stdout)
