"""Tables of the instruments, shared with the simulated camera (``instruments.json``)."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Detector:
    id: int
    name: str
    raft: str
    sensor: str
    purpose: str


@dataclasses.dataclass(frozen=True, eq=False)
class Instrument:
    name: str
    class_name: str
    code: str
    controllers: str
    exposure_max: int
    visit_max: int
    bands: dict[str, str]
    detectors: tuple[Detector, ...]

    def detector(self, raft: str, sensor: str) -> Detector | None:
        return _by_bay(self).get((raft, sensor))


@cache
def _by_bay(instrument: Instrument) -> dict[tuple[str, str], Detector]:
    return {(detector.raft, detector.sensor): detector for detector in instrument.detectors}


# How headers spell the names, besides the names themselves.
_SPELLINGS = {"comcamsim": "LSSTComCamSim", "comcam": "LSSTComCam"}


@cache
def tables() -> dict[str, Instrument]:
    """Every instrument by its name in lower case."""
    rows = json.loads((Path(__file__).parent.parent / "instruments.json").read_text())
    return {
        row["name"].lower(): Instrument(
            name=row["name"],
            class_name=row["className"],
            code=row["code"],
            controllers="".join(row["controllers"]),
            exposure_max=row["exposureMax"],
            visit_max=row["visitMax"],
            bands={entry["name"]: entry["band"] for entry in row["physicalFilters"]},
            detectors=tuple(Detector(**detector) for detector in row["detectors"]),
        )
        for row in rows
    }


def find(name: str) -> Instrument | None:
    """The instrument that a header's INSTRUME means, in any case."""
    return tables().get(_SPELLINGS.get(name.lower(), name).lower())


def large_file_annex(name: str) -> Instrument:
    """An instrument of the Large File Annex: one detector, no table."""
    return Instrument(
        name=name[:32],
        class_name="",
        code="",
        controllers="O",
        exposure_max=2**62,
        visit_max=2**62,
        bands={},
        detectors=(Detector(0, "0", "", "", "SCIENCE"),),
    )
