"""Makes the Butler fail now and then: put this folder first on PYTHONPATH and set BUTLER_FAULT_RATE (0 to 1).

A fault is one of four, by turns, so that each kind is met in a short test too: the database is lost before the ingest,
the database is lost after it (so the datasets are there, but the caller hears of a failure), the process dies before,
the process dies after. Each fault is a line in the file BUTLER_FAULT_LOG, so that a test can tell that there were any.
"""

import os
import random

RATE = float(os.environ.get("BUTLER_FAULT_RATE", "0"))


def _install():
    from lsst.daf.butler.direct_butler import DirectButler
    from sqlalchemy.exc import OperationalError

    kinds = ("lost before", "lost after", "died before", "died after")
    real_ingest = DirectButler.ingest
    log_file = os.environ["BUTLER_FAULT_LOG"]

    def note(kind):
        with open(log_file, "a", encoding="ascii") as log:
            log.write(kind + "\n")

    def next_kind():
        try:
            with open(log_file, encoding="ascii") as log:
                count = sum(1 for _ in log)
        except FileNotFoundError:
            count = 0
        return kinds[count % len(kinds)]

    def ingest(self, *args, **kwargs):
        if random.random() >= RATE:
            return real_ingest(self, *args, **kwargs)
        kind = next_kind()
        if kind.endswith("after"):
            real_ingest(self, *args, **kwargs)
        note(kind)
        if kind.startswith("died"):
            os._exit(9)
        raise OperationalError("INSERT", {}, Exception("server closed the connection unexpectedly (made by a test)"))

    DirectButler.ingest = ingest


if RATE > 0:
    _install()
