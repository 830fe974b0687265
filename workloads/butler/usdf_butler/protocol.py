"""What travels between Node and this process, and how faults are told apart."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterator
from typing import Any, Literal

Status = Literal["ingested", "already", "undefinedExposure", "failed"]


@dataclasses.dataclass(frozen=True)
class ExposureKey:
    """An exposure as follow-ups name it."""

    instrument: str
    id: int
    obsId: str


@dataclasses.dataclass(frozen=True)
class FileResult:
    """What became of one file. ``code`` and ``retryable`` are set when it failed."""

    path: str
    status: Status
    code: str | None = None
    retryable: bool | None = None
    message: str | None = None
    exposure: ExposureKey | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


class FileFault(Exception):
    """A fault of one file or exposure itself; ``retryable`` when it may pass with nothing changed by a person."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable

    def result(self, path: str) -> FileResult:
        return FileResult(path, "failed", self.code, self.retryable, str(self))


class BadRequest(Exception):
    """Node sent something that is no request: a bug of the caller."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that it came from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


# Full or failing disks and lost networks say nothing about the file in hand.
_MACHINE_ERRNOS = {
    errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.ESTALE,
}  # fmt: skip


def is_infrastructure(error: BaseException) -> bool:
    """Whether the database, the network or the machine failed, so that the same request may succeed later."""
    return any(_is_infrastructure(link) for link in chain(error))


def _is_infrastructure(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError, MemoryError)):
        return True
    if isinstance(error, OSError) and error.errno in _MACHINE_ERRNOS:
        return True
    module, name = type(error).__module__.partition(".")[0], type(error).__name__
    if module in ("sqlalchemy", "psycopg", "psycopg2", "sqlite3"):
        return (
            name in ("OperationalError", "InterfaceError", "DisconnectionError", "TimeoutError")
            or isinstance(getattr(error, "orig", None), BaseException)
            and _is_infrastructure(error.orig)  # type: ignore[attr-defined]
            or bool(getattr(error, "connection_invalidated", False))
            or getattr(error, "sqlstate", None) in ("40001", "40P01", "55P03")  # serialisation, deadlock, lock
        )
    if module in ("botocore", "urllib3"):
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return status >= 500 or status in (401, 403, 429)
        return name != "ParamValidationError"
    return False


def reason(error: BaseException) -> str:
    """One line for a person: type and text, without a traceback."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:1000] if text else type(error).__name__
