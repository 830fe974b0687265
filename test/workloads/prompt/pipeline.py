"""A pipeline as an author writes it, with usdf_visits: what it does follows from the detector. Commits are files made once."""

import json
import math
import os
import signal
import subprocess
import sys

from usdf_visits import CommitRefused, Ignored, Retriable, visits

folder = sys.argv[1]


def commit(visit, raws, **facts):
    facts |= {"raws": [raw["key"] for raw in raws], "attempt": visit.attempt, "complete": visit.complete}
    with open(os.path.join(folder, str(visit.detector)), "x") as file:
        json.dump(facts, file)


for visit in visits():
    with visit:
        raws = list(visit.raws())
        detector, first = visit.detector, visit.attempt == 1
        if detector == 0:
            print("a line on standard output is a log")
            stolen = subprocess.run(["cat"], capture_output=True, text=True, timeout=10).stdout
            facts = {"group": visit.group, "instrument": visit.instrument, "fields": len(visit.fields), "stolen": stolen}
            with visit.commit() as grant:
                commit(visit, raws, nan=math.isnan(visit["position"][0]), uncertain=grant.uncertain, **facts)
        elif detector == 1 and first:
            raise Retriable("the registry is busy")
        elif detector == 2 and first:
            raise ConnectionResetError("lost")
        elif detector == 3:
            raise ValueError("no good pipelines")
        elif detector == 4:
            raise Ignored("no pipeline for this survey")
        elif detector == 5:
            pass
        elif detector == 6 and first:
            with visit.commit():
                commit(visit, raws)
                os.kill(os.getpid(), signal.SIGKILL)
        elif detector == 7 and first:
            with visit.commit():
                raise OSError("the disk is full")
        else:
            with visit.commit() as grant:
                if not os.path.exists(os.path.join(folder, str(detector))):
                    commit(visit, raws, uncertain=grant.uncertain)

print("the loop has ended", CommitRefused.__name__, file=sys.stderr)
