"""Which objects the Butler has already, for reconcile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlparse

from lsst.daf.butler import Butler, MissingCollectionError, MissingDatasetTypeError

_DATASET_TYPES = ("raw", "guider_raw")
_RUNS = ("*/raw/all", "*/raw/guider")


class KnownUris:
    """Looks datasets up by what a path tells of them (exposure, or day), and compares locations.

    A page of a bucket listing is a few exposures, so a question costs a few queries. Objects of the Large File Annex name
    no exposure: their whole day is read and kept until another day is asked for.
    """

    def __init__(self, butler: Butler) -> None:
        self._butler = butler
        self._days: dict[int, set[str]] = {}

    def ask(self, uris: Sequence[str]) -> list[bool]:
        """Whether the Butler has each of these URIs; in their order."""
        places = [place(uri) for uri in uris]
        obs_ids = {obs_id for name in places if (obs_id := _obs_id(name)) is not None}
        days = {day for name in places if _obs_id(name) is None and (day := _day(name)) is not None}
        known = self._locations("exposure.obs_id", sorted(obs_ids)) if obs_ids else set()
        self._days = {day: found for day, found in self._days.items() if day in days}
        for day in days:
            if day not in self._days:
                self._days[day] = self._locations("day_obs.id", [day])
            known |= self._days[day]
        return [name in known for name in places]

    def _locations(self, column: str, values: Iterable[Any]) -> set[str]:
        found: set[str] = set()
        runs = [run for pattern in _RUNS for run in self._butler.collections.query(pattern)]
        instruments = [record.name for record in self._butler.query_dimension_records("instrument", explain=False)]
        for name in _DATASET_TYPES:
            for instrument in instruments:
                found |= {place(str(uri)) for uri in self._uris(name, runs, instrument, column, list(values))}
        return found

    def _uris(self, name: str, runs: list[str], instrument: str, column: str, values: list[Any]) -> list[Any]:
        of_instrument = [run for run in runs if run.startswith(f"{instrument}/")]
        if not of_instrument:
            return []
        with self._butler.query() as query:
            x = query.expression_factory
            dimension, _, field = column.partition(".")
            proxy = getattr(x, dimension)
            condition = (proxy if field == "id" else getattr(proxy, field)).in_iterable(values)
            try:
                rows = query.datasets(name, collections=of_instrument, find_first=False)
                refs = list(rows.where(x.all(x.instrument == instrument, condition)))
            except (MissingCollectionError, MissingDatasetTypeError):
                return []
        return [uris.primaryURI for uris in self._butler.get_many_uris(refs).values()] if refs else []


def place(uri: str) -> str:
    """Bucket and key: the same object is one place, whatever profile or quoting names it."""
    parsed = urlparse(uri)
    return unquote(parsed.netloc.rpartition("@")[2] + parsed.path)


def _obs_id(location: str) -> str | None:
    parts = location.split("/")
    return parts[3] if len(parts) == 5 and len(parts[3].split("_")) == 4 else None


def _day(location: str) -> int | None:
    found = re.search(r"/(\d{4})/(\d\d)/(\d\d)/", location)
    return int("".join(found.groups())) if found else None
