"""Opens the repository, and makes it when asked to."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator

from lsst.daf.butler import Butler, Config
from lsst.resources import ResourcePath

log = logging.getLogger(__name__)


def open_repository(repo: str, *, create: bool, registry_url: str) -> tuple[Butler, bool]:
    """Opens a repository for writing.

    ``registry_url`` is an SQLAlchemy URL for a new repository, such as ``postgresql+psycopg://user@host/name``; empty means
    SQLite in the repository. A password belongs in the ``db-auth.yaml`` of daf_butler, never in this URL.

    Returns the Butler, and whether the repository was made now.
    """
    created = False
    if create and not Butler.has_repo_config(repo):
        with _only_one(repo):
            if not Butler.has_repo_config(repo):  # another pod may have made it while this one waited
                config = Config()
                if registry_url:
                    config["registry", "db"] = registry_url
                _make(repo, config)
                created = True
                log.info("Created repository %s", repo)
    return Butler.from_config(repo, writeable=True), created


def _make(repo: str, config: Config) -> None:
    """Makes a repository, or leaves nothing that looks like one: its configuration is written before its tables are."""
    try:
        Butler.makeRepo(repo, config=config)
    except Exception:
        if Butler.has_repo_config(repo):
            root = ResourcePath(repo, forceDirectory=not repo.endswith((".yaml", ".yml")))
            (root.join("butler.yaml", forceDirectory=False) if root.dirLike else root).remove()
        raise


@contextlib.contextmanager
def _only_one(repo: str) -> Iterator[None]:
    """Lets one process of this machine (or of one shared volume) make the repository at a time."""
    root = ResourcePath(repo, forceDirectory=not repo.endswith((".yaml", ".yml")))
    if not root.isLocal:
        yield
        return
    folder = root.ospath if root.isdir() or root.dirLike else os.path.dirname(root.ospath)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".create.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
