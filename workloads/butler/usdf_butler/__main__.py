"""The loop of the child: one request a line, one answer a line. Standard error carries logs."""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import signal
import sys
from typing import TYPE_CHECKING, Any, Protocol

from .protocol import BadRequest, FileResult, is_infrastructure, reason

if TYPE_CHECKING:
    from .raws import RawReader

log = logging.getLogger("usdf_butler")


class Ingester(Protocol):
    """What a mode must be able to do."""

    def ingest(self, files: list[dict[str, Any]], kind: Any) -> list[FileResult]: ...
    def rehearse(self, file: dict[str, Any]) -> FileResult: ...
    def define_visits(self, exposures: list[dict[str, Any]]) -> list[dict[str, Any]]: ...


class Child:
    """Answers requests; opens the Butler when it is first needed, and anew after the database was lost."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._repo = environment["BUTLER_REPO"]
        self._create = environment.get("BUTLER_CREATE", "") == "true"
        self._registry_url = environment.get("BUTLER_REGISTRY_URL", "")
        self._bucket = environment.get("BUCKET", "")
        wanted = environment.get("BUTLER_MODE", "auto")
        has_stack = importlib.util.find_spec("lsst.obs") is not None and importlib.util.find_spec("lsst.obs.base") is not None
        self._mode = ("obs" if has_stack else "plain") if wanted == "auto" else wanted
        self._ingester: Ingester | None = None
        self._created = False
        self._butler: Any = None
        self._raw_reader: RawReader | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request.get("op")
        if operation == "hello":
            self._open()
            return {"mode": self._mode, "repo": self._repo, "created": self._created, "versions": _versions()}
        if operation == "ping":
            self._open()
            self._butler.query_dimension_records("instrument", explain=False, limit=1)
            return {}
        if operation == "ingest":
            results = self._open().ingest(request["files"], request["kind"])
            return {"results": [result.to_json() for result in results]}
        if operation == "rehearse":
            self._open()
            return {"results": [self._rehearse(request["file"]).to_json()]}
        if operation == "defineVisits":
            return {"results": self._open().define_visits(request["exposures"])}
        if operation == "known":
            from .known import KnownUris

            self._open()
            return {"known": KnownUris(self._butler).ask(request["uris"])}
        if operation == "rawExposures":
            found = self._raws().exposures(request["instrument"], request["collections"], request["where"])
            return {"exposures": found}
        if operation == "fetchRaws":
            words = (request[name] for name in ("instrument", "collections", "exposures", "folder"))
            return {"files": self._raws().fetch(*words)}
        known = "hello, ping, ingest, rehearse, defineVisits, known, rawExposures, fetchRaws"
        raise BadRequest(f'op is "{operation}", not one of {known}')

    def _open(self) -> Ingester:
        if self._ingester is None:
            from .repository import open_repository

            try:
                self._butler, created = open_repository(self._repo, create=self._create, registry_url=self._registry_url)
                self._created = self._created or created
                self._ingester = self._ingester_of(self._butler)
            finally:
                _collect_from_now_on()
        return self._ingester

    def _ingester_of(self, butler: Any) -> Ingester:
        if self._mode == "obs":
            from .obs import ObsButler

            return ObsButler(butler, lfa="rubinobs-lfa-" in self._bucket)
        from .plain import PlainButler

        return PlainButler(butler)

    def _raws(self) -> RawReader:
        if self._raw_reader is None:
            from .raws import RawReader

            try:
                self._raw_reader = RawReader(self._repo)
            finally:
                _collect_from_now_on()
        return self._raw_reader

    def _rehearse(self, file: dict[str, Any]) -> FileResult:
        """A rehearsal has a Butler of its own: none of its caches may outlive the rollback."""
        from .rehearsal import checked
        from .repository import open_repository

        butler, _ = open_repository(self._repo, create=False, registry_url="")
        try:
            return checked(butler, file, self._ingester_of(butler).rehearse)
        finally:
            _close(butler)

    def forget(self) -> None:
        """Drops connections: the next request opens the repository again."""
        if self._butler is not None:
            _close(self._butler)
        if self._raw_reader is not None:
            _close(self._raw_reader)
        self._butler = self._ingester = self._raw_reader = None


def _close(butler: Any) -> None:
    try:
        butler.close()
    except Exception as error:  # nothing is asked of it any more
        log.debug("Close failed: %s", reason(error))


def _collect_from_now_on() -> None:
    """Ends what ``main`` began: what was loaded stays, so that no collection needs to look at it."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _versions() -> dict[str, str]:
    packages = ("lsst-daf-butler", "lsst-resources", "sqlalchemy")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # an LSST stack installs no package metadata
            found[package] = "unknown"
    return found


def handle(child: Child, line: str) -> dict[str, Any]:
    """One request to one answer; no fault of a request ends the process."""
    identifier = None
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise BadRequest("the request is no object")
        identifier = request.get("id")
        return {"id": identifier, "ok": True, **child.answer(request)}
    except (BadRequest, KeyError, json.JSONDecodeError) as error:
        if isinstance(error, KeyError):
            log.exception("Request failed")
        code, retryable = ("BAD_REQUEST", False) if not isinstance(error, KeyError) else ("BUTLER", True)
        return {"id": identifier, "ok": False, "code": code, "retryable": retryable, "message": reason(error)}
    except Exception as error:
        lost = is_infrastructure(error)
        (log.warning if lost else log.exception)("Request failed: %s", reason(error))
        child.forget()
        code = "BUTLER_UNAVAILABLE" if lost else "BUTLER"
        return {"id": identifier, "ok": False, "code": code, "retryable": True, "message": reason(error)}


def configure_logging(config: str) -> None:
    """`LOG_CONFIG`: `component=LEVEL,…`; `.` is the `lsst` logger, a bare level the root."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for item in config.split(","):
        component, separator, level = item.strip().rpartition("=")
        number = logging.getLevelNamesMapping().get(level.upper())
        if number is not None:
            logging.getLogger(("lsst" if component == "." else component) if separator else None).setLevel(number)


def main() -> None:
    gc.disable()  # until the Butler is open: a fifth of the start would be collections while modules are loaded
    # The answers keep a descriptor of their own: what a library prints goes to the log instead of between them.
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    # A signal to the whole process group is Node's to handle: it may want the batch in hand finished. We end when it closes
    # our input, or dies.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logging(os.environ.get("LOG_CONFIG", "INFO"))
    for name in ("botocore", "urllib3", "lsst.daf.butler", "lsst.resources"):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
    if os.environ.get("BUCKET", "").rpartition("@")[2].startswith("rubin:"):
        os.environ["LSST_DISABLE_BUCKET_VALIDATION"] = "1"
    child = Child(dict(os.environ))
    for line in sys.stdin:  # ends when Node closes the pipe or dies
        answers.write(json.dumps(handle(child, line)) + "\n")


if __name__ == "__main__":
    main()
