"""Opens the repository, and makes it when asked to."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from typing import IO

from lsst.daf.butler import Butler, Config
from lsst.resources import ResourcePath

log = logging.getLogger(__name__)


def open_repository(repo: str, *, create: bool, registry_url: str) -> tuple[Butler, bool]:
    """Opens a repository for writing.

    ``registry_url`` is an SQLAlchemy URL for a new repository, such as ``postgresql+psycopg://user@host/name``; empty means
    SQLite in the repository. A password belongs in the ``db-auth.yaml`` of daf_butler, never in this URL.

    Returns the Butler, and whether the repository was made now.
    """
    if not create:
        return Butler.from_config(repo, writeable=True), False
    # The configuration is written before the tables are: whoever opens the repository waits for its maker.
    with _maker_lock(repo) as unfinished:
        created = unfinished.was_set or not Butler.has_repo_config(repo)
        if created:
            unfinished.set()
            _make(repo, registry_url, anew=unfinished.was_set)
            unfinished.clear()
            log.info("Created repository %s", repo)
        return Butler.from_config(repo, writeable=True), created


def _make(repo: str, registry_url: str, *, anew: bool) -> None:
    """Makes a repository, or leaves nothing that looks like one. ``anew``: over what a maker that died has left."""
    root = ResourcePath(repo, forceDirectory=not repo.endswith((".yaml", ".yml")))
    database = root.join("gen3.sqlite3", forceDirectory=False) if root.dirLike else None
    if anew and not registry_url and database is not None and database.exists():
        database.remove()
    config = Config()
    if registry_url:
        config["registry", "db"] = registry_url
    try:
        Butler.makeRepo(repo, config=config, overwrite=anew)
    except Exception:
        if Butler.has_repo_config(repo):
            (root.join("butler.yaml", forceDirectory=False) if root.dirLike else root).remove()
        raise


class _Unfinished:
    """Whether a repository is being made, kept in the lock file: it stays set when the maker dies."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file
        self.was_set = file is not None and file.read() != ""

    def set(self) -> None:
        self._write("the repository is being made")

    def clear(self) -> None:
        self._write("")

    def _write(self, text: str) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())


@contextlib.contextmanager
def _maker_lock(repo: str) -> Iterator[_Unfinished]:
    """One process at a time makes or opens the repository. A repository in an object store has no lock: make it beforehand."""
    root = ResourcePath(repo, forceDirectory=not repo.endswith((".yaml", ".yml")))
    if not root.isLocal:
        yield _Unfinished(None)
        return
    folder = root.ospath if root.dirLike else os.path.dirname(root.ospath)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".create.lock"), "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        yield _Unfinished(lock)
