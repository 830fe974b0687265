"""Raw files that a repository holds: which there are, and copies of them. It reads any repository, and changes none."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsst.daf.butler import Butler, DatasetRef

from .protocol import BadRequest

_DATASET_TYPE = "raw"
_COPIES_AT_ONCE = 8
_UNIX_EPOCH_MJD = 40587


class RawReader:
    """Answers the operations about raw files with a Butler that cannot write."""

    def __init__(self, repo: str) -> None:
        self._butler = Butler.from_config(repo, writeable=False)

    def close(self) -> None:
        self._butler.close()

    def exposures(self, instrument: str, collections: list[str], where: str) -> list[dict[str, Any]]:
        """Exposures that ``where`` (an expression of the Butler) chooses, with the detectors that have a raw file."""
        detectors: dict[int, list[int]] = defaultdict(list)
        with self._butler.query() as query:
            query = query.join_dataset_search(_DATASET_TYPE, collections)
            if where:
                query = query.where(where, instrument=instrument)
            for data_id in query.data_ids(["exposure", "detector"]).where(instrument=instrument):
                detectors[int(data_id["exposure"])].append(int(data_id["detector"]))
        if not detectors:
            return []
        with self._butler.query() as query:
            x = query.expression_factory
            chosen = x.all(x.instrument == instrument, x.exposure.in_iterable(sorted(detectors)))
            records = list(query.dimension_records("exposure").where(chosen))
        return [_answer(record, sorted(detectors[record.id])) for record in sorted(records, key=lambda one: one.id)]

    def fetch(self, instrument: str, collections: list[str], exposures: list[int], folder: str) -> list[dict[str, Any]]:
        """Copies the raw files of exposures into a folder; one from an archive is taken out of it."""
        if not os.path.isdir(folder):
            raise BadRequest(f"folder {folder} is not there")
        with self._butler.query() as query:
            x = query.expression_factory
            chosen = x.all(x.instrument == instrument, x.exposure.in_iterable(exposures))
            refs = list(query.datasets(_DATASET_TYPE, collections).where(chosen))
        with ThreadPoolExecutor(_COPIES_AT_ONCE) as threads:
            return list(threads.map(lambda ref: self._copy(ref, folder), refs))

    def _copy(self, ref: DatasetRef, folder: str) -> dict[str, Any]:
        own = os.path.join(folder, f"{ref.dataId['exposure']}-{ref.dataId['detector']}")
        os.mkdir(own)
        # One at a time: the answer of several does not say which file is whose.
        [file] = self._butler.retrieveArtifacts([ref], own, transfer="copy", preserve_path=False)
        return {"exposure": int(ref.dataId["exposure"]), "detector": int(ref.dataId["detector"]), "path": file.ospath}


def _answer(record: Any, detectors: list[int]) -> dict[str, Any]:
    begin = record.timespan.begin.tai
    return {
        "id": record.id,
        "group": record.group,
        "beginTaiMs": round(((begin.jd1 - 2400000.5 - _UNIX_EPOCH_MJD) + begin.jd2) * 86_400_000, 3),
        "physicalFilter": record.physical_filter,
        "ra": record.tracking_ra,
        "dec": record.tracking_dec,
        "rotation": record.sky_angle,
        "detectors": detectors,
    }
