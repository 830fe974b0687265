"""Plain mode: lsst-daf-butler alone, with the metadata that Node read from the JSON sidecars.

What it stores is what the tasks of lsst.obs.base would: dataset type ``raw`` in run ``<instrument>/raw/all``, guiders as
``guider_raw`` in ``<instrument>/raw/guider``, files left where they are (``direct``), identifiers that follow from data id and
run, and visits one to one with exposures. It has no camera geometry, so visits have no region, and its formatter reads no
pixels: clients with the LSST stack should register the instrument themselves before.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from astropy.time import Time, TimeDelta
from lsst.daf.butler import Butler, DataCoordinate, DatasetIdGenEnum, DatasetRef, DatasetType, FileDataset, Timespan
from lsst.resources import ResourcePath
from sqlalchemy.exc import IntegrityError

from .facts import Facts, Kind, read
from .instruments import Instrument
from .known import place
from .protocol import BadRequest, ExposureKey, FileFault, FileResult, is_infrastructure, reason
from .rehearsal import taken_back

log = logging.getLogger(__name__)

# The datastore wants a class that it can import; nothing is read through it here.
_FORMATTER = "lsst.daf.butler.formatters.file.FileFormatter"
_DATASET_TYPES = {"raw": ("raw", "Exposure"), "lfa": ("raw", "Exposure"), "guider": ("guider_raw", "Stamps")}
_VISIT_SYSTEM = {"id": 0, "name": "one-to-one"}
_REMEMBERED_EXPOSURES = 5_000


@dataclasses.dataclass(frozen=True)
class _Item:
    """A file on its way into the Butler."""

    path: str
    uri: str
    size: int | None
    kind: Kind
    facts: Facts
    ref: DatasetRef

    @property
    def exposure(self) -> ExposureKey:
        return ExposureKey(self.facts.instrument.name, self.facts.exposure_id, self.facts.obs_id)

    def result(self, status: Any) -> FileResult:
        return FileResult(self.path, status, exposure=self.exposure)

    def dataset(self) -> FileDataset:
        path = ResourcePath(self.uri, forceDirectory=False)
        if self.size is not None:
            # Node has just asked the store for every object at once; the datastore would ask twice more, one by one.
            size = self.size
            path.exists = lambda: True  # type: ignore[method-assign]
            path.size = lambda: size  # type: ignore[method-assign]
        return FileDataset(path=path, refs=[self.ref], formatter=_FORMATTER)


class PlainButler:
    """Answers the operations of the protocol with a Butler of its own."""

    def __init__(self, butler: Butler) -> None:
        self._butler = butler
        self._types: dict[str, DatasetType] = {}
        for kind, (name, storage_class) in _DATASET_TYPES.items():
            dimensions = ("instrument", "exposure", "detector")
            self._types[kind] = DatasetType(name, dimensions, storage_class, universe=butler.dimensions)
            butler.registry.registerDatasetType(self._types[kind])
        self._runs: set[str] = set()
        self._instruments: set[str] = set()
        self._filters: set[tuple[str, str]] = set()
        self._exposures: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()

    # ---- ingest

    def ingest(self, files: Sequence[dict[str, Any]], kind: Kind) -> list[FileResult]:
        """Ingests files; each has a result of its own, in the order given.

        Raises only when the database or the network fails; what was ingested before then is ``already`` the next time.
        """
        if kind not in self._types:
            raise BadRequest(f'kind is "{kind}", not one of {", ".join(self._types)}')
        results: dict[str, FileResult] = {}
        facts: list[tuple[dict[str, Any], Facts]] = []
        for file in files:
            try:
                facts.append((file, read(file["path"], file.get("metadata"), kind)))
            except FileFault as fault:
                results[file["path"]] = fault.result(file["path"])
        if kind == "guider":
            facts = list(self._with_exposure(facts, results))
        items = [self._item(file, found, kind) for file, found in facts]
        for result in self._ingest_items(items):
            results[result.path] = result
        return [results[file["path"]] for file in files]

    def rehearse(self, file: dict[str, Any]) -> FileResult:
        """Ingests one raw file in a transaction that is rolled back: what would have become of it, while nothing stays.

        Use a Butler that is thrown away after: what it remembers of the transaction is not true any more.
        """
        try:
            item = self._item(file, read(file["path"], file.get("metadata"), "raw"), "raw")
        except FileFault as fault:
            return fault.result(file["path"])
        with taken_back(self._butler) as outcome:
            [outcome.result] = self._ingest_together([item])
        if outcome.error is None:
            return outcome.result
        return self._failure(item, outcome.error)

    def _item(self, file: dict[str, Any], facts: Facts, kind: Kind) -> _Item:
        data_id = DataCoordinate.standardize(
            instrument=facts.instrument.name,
            exposure=facts.exposure_id,
            detector=facts.detector.id,
            universe=self._butler.dimensions,
        )
        run = f"{facts.instrument.name}/raw/{'guider' if kind == 'guider' else 'all'}"
        mode = DatasetIdGenEnum.DATAID_TYPE_RUN
        ref = DatasetRef(self._types[kind], data_id, run=run, id_generation_mode=mode)
        return _Item(file["path"], file["uri"], file.get("size"), kind, facts, ref)

    def _with_exposure(
        self, facts: list[tuple[dict[str, Any], Facts]], results: dict[str, FileResult]
    ) -> Iterator[tuple[dict[str, Any], Facts]]:
        """Guiders whose exposure a science file has made known; the others are ``undefinedExposure``."""
        known: dict[str, set[str]] = {}
        for name, group in _grouped(facts, lambda pair: pair[1].instrument.name):
            ids = [pair[1].exposure_id for pair in group]
            known[name] = {record["obs_id"] for record in self._known_exposures(name, ids).values()}
        for file, found in facts:
            if found.obs_id in known[found.instrument.name]:
                yield file, found
            else:
                key = ExposureKey(found.instrument.name, found.exposure_id, found.obs_id)
                text = f'Exposure "{found.obs_id}" of guider "{file["path"]}" is not in the Butler yet.'
                results[file["path"]] = FileResult(
                    file["path"], "undefinedExposure", "UNDEFINED_EXPOSURE", True, text, key
                )

    def _ingest_items(self, items: list[_Item]) -> Iterator[FileResult]:
        """All at once; when that fails, each half by itself, so that the good ones cost few transactions more."""
        if not items:
            return
        first: dict[Any, _Item] = {}
        repeated = [item for item in items if first.setdefault(item.ref.id, item) is not item]
        try:
            yield from self._ingest_together(list(first.values()))
        except Exception as error:
            if is_infrastructure(error):
                raise
            if len(items) == 1:
                yield self._failure(items[0], error)
                return
            items = sorted(items, key=lambda item: (item.exposure.instrument, item.exposure.id))
            middle = _boundary(items)
            log.warning("Batch of %d files failed (%s); trying its halves", len(items), reason(error))
            yield from self._ingest_items(items[:middle])
            yield from self._ingest_items(items[middle:])
        else:
            for item in repeated:  # two files of one detector: the registry decides
                yield from self._ingest_items([item])

    def _ingest_together(self, items: list[_Item]) -> list[FileResult]:
        """One transaction for the datasets of all items, or an error for all."""
        for item in items:
            self._prepare_instrument(item.facts)
        self._prepare_exposures([item.facts for item in items if item.kind != "guider"])
        known = self._uris([item.ref for item in items])
        conflicts = [item for item in items if item.ref.id in known and place(known[item.ref.id]) != place(item.uri)]
        if conflicts and len(items) > 1:
            raise _conflict(conflicts[0], known[conflicts[0].ref.id])
        if conflicts:
            return [_conflict(item, known[item.ref.id]).result(item.path) for item in conflicts]
        new = [item for item in items if item.ref.id not in known]
        if new:
            for run in {item.ref.run for item in new} - self._runs:
                self._butler.collections.register(run)
                self._runs.add(run)
            self._butler.ingest(*(item.dataset() for item in new), transfer="direct")
        return [item.result("already" if item.ref.id in known else "ingested") for item in items]

    def _failure(self, item: _Item, error: Exception) -> FileResult:
        if isinstance(error, FileFault):
            return dataclasses.replace(error.result(item.path), exposure=item.exposure)
        # Another pod may have won the race for the same file: the registry knows, the message text need not.
        if place(self._uris([item.ref]).get(item.ref.id, "")) == place(item.uri):
            return item.result("already")
        code = "OBJECT_MISSING" if isinstance(error, FileNotFoundError) else "INGEST"
        text = f'Cannot ingest "{item.path}": {reason(error)}'
        return FileResult(item.path, "failed", code, True, text, item.exposure)

    def _uris(self, refs: list[DatasetRef]) -> dict[Any, str]:
        """Identifier to URI of those datasets that registry and datastore both have."""
        stored = [ref for ref, there in self._butler._datastore.knows_these(refs).items() if there]
        if not stored:
            return {}
        found = {ref.id for ref in self._butler.get_many_datasets([ref.id for ref in stored])}
        uris = self._butler.get_many_uris([ref for ref in stored if ref.id in found])
        return {ref.id: str(uri.primaryURI) for ref, uri in uris.items()}

    # ---- dimension records

    def _prepare_instrument(self, facts: Facts) -> None:
        instrument = facts.instrument
        if instrument.name not in self._instruments:
            self._insert_instrument(instrument)
            self._instruments.add(instrument.name)
        key = (instrument.name, facts.physical_filter)
        if key not in self._filters:
            row = {"instrument": instrument.name, "name": facts.physical_filter, "band": facts.band}
            self._insert(physical_filter=[row])
            self._filters.add(key)

    def _insert_instrument(self, instrument: Instrument) -> None:
        """Makes the instrument known, unless someone registered it before (then it stays as it is)."""
        row = {
            "name": instrument.name,
            "visit_max": instrument.visit_max,
            "visit_system": _VISIT_SYSTEM["id"],
            "exposure_max": instrument.exposure_max,
            "detector_max": max(detector.id for detector in instrument.detectors) + 1,
            "class_name": instrument.class_name or None,
        }
        detectors = [
            {
                "instrument": instrument.name,
                "id": detector.id,
                "full_name": detector.name,
                "raft": detector.raft or None,
                "name_in_raft": detector.sensor or None,
                "purpose": detector.purpose,
            }
            for detector in instrument.detectors
        ]
        self._insert(instrument=[row], detector=detectors)

    def _known_exposures(self, instrument: str, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Exposures of the registry by id: what identifies them."""
        ids = set(ids)
        missing = sorted(number for number in ids if (instrument, number) not in self._exposures)
        if missing and self._has_instrument(instrument):
            with self._butler.query() as query:
                x = query.expression_factory
                where = x.all(x.instrument == instrument, x.exposure.in_iterable(missing))
                for record in query.dimension_records("exposure").where(where):
                    self._remember(instrument, record.toDict())
        return {number: self._exposures[instrument, number] for number in ids if (instrument, number) in self._exposures}

    def _has_instrument(self, name: str) -> bool:
        if name not in self._instruments:
            rows = self._butler.query_dimension_records("instrument", explain=False)
            self._instruments |= {row.name for row in rows if row.name == name}
        return name in self._instruments

    def _remember(self, instrument: str, row: dict[str, Any]) -> None:
        self._exposures[instrument, row["id"]] = {name: row[name] for name in _IDENTITY}
        while len(self._exposures) > _REMEMBERED_EXPOSURES:
            self._exposures.popitem(last=False)

    def _prepare_exposures(self, facts: list[Facts]) -> None:
        """Adds exposures that the registry lacks; one that it has must be the same exposure."""
        for name, group in _grouped(facts, lambda fact: fact.instrument.name):
            wanted: dict[int, Facts] = {}
            for fact in group:
                wanted.setdefault(fact.exposure_id, fact)
            known = self._known_exposures(name, wanted)
            new = [fact for number, fact in wanted.items() if number not in known]
            if new:
                self._insert_exposures(name, new)
                known = self._known_exposures(name, wanted)  # another pod may have been first
            for fact in group:
                _check_same(fact, known[fact.exposure_id])

    def _insert_exposures(self, instrument: str, facts: list[Facts]) -> None:
        days = [
            {"instrument": instrument, "id": day, "timespan": _day_timespan(day)}
            for day in sorted({fact.day_obs for fact in facts})
        ]
        groups = [{"instrument": instrument, "name": name} for name in sorted({fact.group for fact in facts})]
        rows = []
        for fact in sorted(facts, key=lambda fact: fact.exposure_id):
            row = dict(fact.exposure)
            begin, end = row.pop("begin"), row.pop("end")
            rows.append({**row, "timespan": Timespan(begin, end)})
        self._insert(day_obs=days, group=groups, exposure=rows)

    def _insert(self, **rows: Sequence[dict[str, Any]]) -> None:
        """Inserts the records of each dimension that are not there, all or none.

        The registry passes over what another pod wrote a moment ago by the primary key alone; where the same record is refused
        by another unique key, it is there at the second attempt.
        """
        for attempt in (1, 2):
            try:
                with self._butler.transaction():
                    for element, records in rows.items():
                        self._butler.registry.insertDimensionData(element, *records, skip_existing=True)
                return
            except IntegrityError:
                if attempt == 2:
                    raise

    # ---- visits

    def define_visits(self, exposures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Defines one visit an exposure; ``skipped`` when the telescope did not track the sky."""
        results = []
        for wanted in exposures:
            answer = {"instrument": wanted["instrument"], "id": wanted["id"]}
            try:
                results.append({**answer, **self._define_visit(str(wanted["instrument"]), int(wanted["id"]))})
            except Exception as error:
                if is_infrastructure(error):
                    raise
                text = f"Cannot define the visit of exposure {wanted['id']} of {wanted['instrument']}: {reason(error)}"
                results.append({**answer, "status": "failed", "code": "DEFINE_VISIT", "retryable": True, "message": text})
        return results

    def _define_visit(self, instrument: str, exposure_id: int) -> dict[str, Any]:
        data_id = {"instrument": instrument, "exposure": exposure_id}
        found = self._butler.query_dimension_records("exposure", data_id=data_id, explain=False)
        if not found:
            raise LookupError("the exposure is not in the registry")
        exposure = found[0]
        visit_id = {"instrument": instrument, "visit": exposure_id}
        answer = {"dataId": {"instrument": instrument, "exposure": exposure_id, "visit": exposure_id}}
        if exposure.tracking_ra is None or exposure.tracking_dec is None:
            return {**answer, "status": "skipped", "message": "the exposure has no tracking coordinates"}
        if self._butler.query_dimension_records("visit", data_id=visit_id, explain=False):
            return {**answer, "status": "already"}
        visit = {
            "instrument": instrument,
            "id": exposure.id,
            "name": exposure.obs_id,
            "physical_filter": exposure.physical_filter,
            "day_obs": exposure.day_obs,
            "seq_num": exposure.seq_num,
            "exposure_time": exposure.exposure_time,
            "target_name": exposure.target_name,
            "observation_reason": exposure.observation_reason,
            "science_program": exposure.science_program,
            "azimuth": exposure.azimuth,
            "zenith_angle": exposure.zenith_angle,
            "timespan": exposure.timespan,
        }
        definition = {"instrument": instrument, "exposure": exposure.id, "visit": exposure.id}
        membership = {"instrument": instrument, "visit": exposure.id, "visit_system": _VISIT_SYSTEM["id"]}
        self._insert(
            visit_system=[{"instrument": instrument, **_VISIT_SYSTEM}],
            visit=[visit],
            visit_definition=[definition],
            visit_system_membership=[membership],
        )
        return {**answer, "status": "defined"}


_IDENTITY = ("id", "obs_id", "physical_filter", "group", "day_obs")


def _check_same(facts: Facts, known: dict[str, Any]) -> None:
    different = [
        f'{name} is "{known[name]}" there and "{facts.exposure[name]}" here'
        for name in _IDENTITY
        if known[name] != facts.exposure[name]
    ]
    if different:
        text = f"Exposure {facts.exposure_id} of {facts.instrument.name} is in the Butler as another one: "
        raise FileFault("EXPOSURE_CONFLICT", text + "; ".join(different) + ".", retryable=False)


def _conflict(item: _Item, uri: str) -> FileFault:
    text = f'"{item.path}" is dataset {item.ref.dataId}, which the Butler has from {uri}.'
    return FileFault("DATASET_CONFLICT", text, retryable=False)


def _day_timespan(day_obs: int) -> Timespan:
    """A day of observation begins at 12:00."""
    text = str(day_obs)
    begin = Time(f"{text[:4]}-{text[4:6]}-{text[6:]}T12:00:00", format="isot", scale="tai")
    return Timespan(begin, begin + TimeDelta(1, format="jd"))


def _boundary(items: list[_Item]) -> int:
    """Where to cut: in the middle, or at the exposure boundary nearest to it."""
    middle = len(items) // 2
    cuts = [i for i in range(1, len(items)) if items[i].exposure != items[i - 1].exposure]
    return min(cuts, key=lambda cut: abs(cut - middle), default=middle)


def _grouped(values: Iterable[Any], key: Any) -> list[tuple[Any, list[Any]]]:
    return [(name, list(group)) for name, group in groupby(sorted(values, key=key), key=key)]
