"""Ingest that leaves nothing: how ``usdf verify`` tries a Butler in which exposures, once made known, stay for ever."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from lsst.daf.butler import Butler

from .protocol import FileResult, is_infrastructure


@dataclasses.dataclass
class Outcome:
    """What a rehearsal came to: a result, or the error that ended it."""

    result: FileResult = dataclasses.field(default_factory=lambda: FileResult("", "failed"))
    error: Exception | None = None


class _TakenBack(Exception):
    """Ends the transaction without a commit."""


@contextlib.contextmanager
def taken_back(butler: Butler) -> Iterator[Outcome]:
    """A transaction that never commits. Errors are in the outcome, except those of a lost database or network."""
    outcome = Outcome()
    try:
        with butler.transaction():
            yield outcome
            raise _TakenBack
    except _TakenBack:
        pass
    except Exception as error:
        if is_infrastructure(error):
            raise
        outcome.error = error


def checked(butler: Butler, file: dict[str, Any], rehearse: Callable[[dict[str, Any]], FileResult]) -> FileResult:
    """Rehearses, and looks afterwards whether an exposure is known that was not before."""
    obs_id = str((file.get("metadata") or {}).get("OBSID", ""))
    known = _is_known(butler, obs_id)
    result = rehearse(file)
    if known or not _is_known(butler, obs_id):
        return result
    text = f'Exposure "{obs_id}" is in the Butler though its ingest was rolled back. Remove it, and ask why it stayed.'
    return FileResult(file["path"], "failed", "CANARY_REMAINS", False, text, result.exposure)


def _is_known(butler: Butler, obs_id: str) -> bool:
    """Whether the registry has the exposure; without it, it cannot have a dataset of it."""
    instruments = [record.name for record in butler.query_dimension_records("instrument", explain=False)]
    for instrument in instruments:
        with butler.query() as query:
            x = query.expression_factory
            where = x.all(x.instrument == instrument, x.exposure.obs_id == obs_id)
            if query.dimension_records("exposure").where(where).any():
                return True
    return False
