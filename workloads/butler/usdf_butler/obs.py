"""Obs mode: the tasks of lsst.obs.base, where the LSST stack is installed.

This is the one part that the tests of this repository cannot run, since the stack is not on PyPI. It is kept to calls of
``RawIngestTask``, ``ingest_guider`` and ``DefineVisitsTask`` and to the bookkeeping of which file became what.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from lsst.daf.butler import Butler
from lsst.obs.base import DefineVisitsConfig, DefineVisitsTask, RawIngestConfig, RawIngestTask
from lsst.obs.base.ingest import ingest_guider  # type: ignore[attr-defined]
from lsst.resources import ResourcePath

from .known import KnownUris, place
from .protocol import ExposureKey, FileResult, is_infrastructure, reason
from .rehearsal import taken_back

log = logging.getLogger(__name__)


class ObsButler:
    """Answers the operations of the protocol with the tasks; they read sidecars and headers themselves."""

    def __init__(self, butler: Butler, *, lfa: bool) -> None:
        self._butler = butler
        self._visits: DefineVisitsTask | None = None
        if not lfa:
            visits = DefineVisitsConfig()
            visits.groupExposures = "one-to-one"
            self._visits = DefineVisitsTask(config=visits, butler=butler)

    def ingest(self, files: list[dict[str, Any]], kind: str) -> list[FileResult]:
        """Ingests files; each has a result of its own. Raises only when the database or the network fails."""
        attempt = _Attempt(files)
        self._run(attempt, [file["uri"] for file in files], kind)
        known = KnownUris(self._butler)
        for file in files:  # what the tasks turned down together is tried alone
            if file["path"] in attempt.results:
                continue
            if known.ask([file["uri"]])[0]:
                attempt.note(file["uri"], "already")
                continue
            self._run(attempt, [file["uri"]], kind)
            if file["path"] not in attempt.results:
                error = attempt.errors.get(place(file["uri"]), RuntimeError("the task gave no reason"))
                attempt.fail(file["uri"], "INGEST", error)
        return [attempt.results[file["path"]] for file in files]

    def rehearse(self, file: dict[str, Any]) -> FileResult:
        """See plain mode. The task reads the header beside the file, so both are given to it as copies of this process."""
        with tempfile.TemporaryDirectory() as folder:
            remote = ResourcePath(file["uri"], forceDirectory=False)
            local = os.path.join(folder, remote.basename())
            with open(local, "wb") as copy:
                copy.write(remote.read())
            with open(os.path.splitext(local)[0] + ".json", "w") as sidecar:
                json.dump(file["metadata"], sidecar)
            attempt = _Attempt([{"path": file["path"], "uri": local}])
            with taken_back(self._butler) as outcome:
                self._run(attempt, [local], "raw")
            if outcome.error is not None:
                raise outcome.error
            if file["path"] not in attempt.results:
                attempt.fail(local, "INGEST", attempt.errors.get(place(local), RuntimeError("the task gave no reason")))
            return attempt.results[file["path"]]

    def _run(self, attempt: _Attempt, uris: Sequence[str], kind: str) -> None:
        """One call of the task. Its RuntimeError says only that some file failed; the callbacks have told which."""
        try:
            self._call(attempt, [ResourcePath(uri, forceDirectory=False) for uri in uris], kind)
        except Exception as error:
            if is_infrastructure(error):
                raise
            log.warning("Task failed on %d files: %s", len(uris), reason(error))
            if len(uris) == 1:
                attempt.errors.setdefault(place(uris[0]), error)
        attempt.raise_if_lost()

    def _call(self, attempt: _Attempt, uris: list[ResourcePath], kind: str) -> None:
        if kind == "guider":
            ingest_guider(
                self._butler,
                uris,
                transfer="direct",
                on_success=attempt.on_success,
                on_metadata_failure=attempt.on_metadata_failure,
                on_ingest_failure=attempt.on_guider_failure,
                on_undefined_exposure=attempt.on_undefined_exposure,
            )
            return
        config = RawIngestConfig()
        config.transfer = "direct"
        task = RawIngestTask(
            config=config,
            butler=self._butler,
            on_success=attempt.on_success,
            on_metadata_failure=attempt.on_metadata_failure,
            on_ingest_failure=attempt.on_ingest_failure,
        )
        task.run(uris)

    def define_visits(self, exposures: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Defines visits one to one; an exposure that has its visit already is left as it is."""
        results = []
        for wanted in exposures:
            data_id = {"instrument": wanted["instrument"], "exposure": int(wanted["id"])}
            answer = {"instrument": wanted["instrument"], "id": wanted["id"], "dataId": data_id}
            try:
                if self._visits is None:
                    raise RuntimeError("the Large File Annex has no visits")
                self._visits.run([data_id], incremental=True)
                results.append({**answer, "status": "defined"})
            except Exception as error:
                if is_infrastructure(error):
                    raise
                text = f"Cannot define the visit of exposure {wanted['id']} of {wanted['instrument']}: {reason(error)}"
                results.append({**answer, "status": "failed", "code": "DEFINE_VISIT", "retryable": True, "message": text})
        return results


class _Attempt:
    """What the callbacks of the tasks told of each file."""

    def __init__(self, files: list[dict[str, Any]]) -> None:
        self._path_by_place = {place(file["uri"]): file["path"] for file in files}
        self.results: dict[str, FileResult] = {}
        self.errors: dict[str, BaseException] = {}
        self._lost: BaseException | None = None

    def note(self, uri: Any, status: Any, exposure: ExposureKey | None = None) -> None:
        path = self._path_by_place[place(str(uri))]
        self.results[path] = FileResult(path, status, exposure=exposure)

    def fail(self, uri: Any, code: str, error: BaseException) -> None:
        path = self._path_by_place[place(str(uri))]
        self.results[path] = FileResult(path, "failed", code, True, f'Cannot ingest "{path}": {reason(error)}')

    def raise_if_lost(self) -> None:
        """Raises what told that the database or the network is gone, if anything did."""
        if self._lost is not None:
            lost, self._lost = self._lost, None
            raise lost

    def on_success(self, datasets: list[Any]) -> None:
        for dataset in datasets:
            data_id = dataset.refs[0].dataId
            record = data_id.records["exposure"] if data_id.hasRecords() else None
            name = "" if record is None else record.obs_id
            self.note(dataset.path, "ingested", ExposureKey(data_id["instrument"], data_id["exposure"], name))

    def on_metadata_failure(self, uri: Any, error: Exception) -> None:
        self._keep(uri, error, lambda: self.fail(uri, "METADATA", error))

    def on_ingest_failure(self, exposure: Any, error: Exception) -> None:
        for file in exposure.files:  # the whole exposure was turned down: its files are tried one by one
            self._keep(file.filename, error, lambda: None)

    def on_guider_failure(self, datasets: list[Any], error: Exception) -> None:
        for dataset in datasets:
            self._keep(dataset.path, error, lambda: None)

    def on_undefined_exposure(self, uri: Any, obs_id: str) -> None:
        path = self._path_by_place[place(str(uri))]
        text = f'Exposure "{obs_id}" of guider "{path}" is not in the Butler yet.'
        key = ExposureKey("", 0, obs_id)
        self.results[path] = FileResult(path, "undefinedExposure", "UNDEFINED_EXPOSURE", True, text, key)

    def _keep(self, uri: Any, error: Exception, otherwise: Callable[[], None]) -> None:
        self.errors[place(str(uri))] = error
        if is_infrastructure(error):
            self._lost = error
        else:
            otherwise()
