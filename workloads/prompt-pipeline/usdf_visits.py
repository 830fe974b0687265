"""Visits for a prompt-processing pipeline, as the USDF gateway gives them. One file, Python >= 3.10, nothing but the standard library.

    from usdf_visits import Retriable, visits

    load_everything()                          # before the first visit is asked for
    for visit in visits():
        with visit:                            # reports how the visit ended, whatever happens in it
            prepare(visit["position"], visit.detector)
            for raw in visit.raws():           # each as soon as it is there; ends when no more come
                ingest(raw["bucket"], raw["key"])
            if not visit.complete: ...         # fewer came than were announced
            result = run_pipelines()
            with visit.commit() as commit:     # asks for the right to commit; without it, the block is not entered
                if not (commit.uncertain and is_committed(visit)):
                    write(result)

Run it as PIPELINE_COMMAND of the gateway. Standard output and error are logs; standard input is the gateway's, and empty to
everything else here. The loop ends when the gateway ends.

How a visit ends:
    the block ends after a commit     committed
    the block ends without one        ignored: there was nothing to do; so does ``raise Ignored("why")``
    Retriable or OSError (lost connections, time-outs) is raised     failed, tried again while attempts are left
    any other Exception is raised     failed for good: it becomes a dead letter with its text
"""

import json
import math
import os
import sys
import traceback

__all__ = ["CommitRefused", "Ignored", "Retriable", "Visit", "visits"]

_REPORTS = 3
_REASON_LIMIT = 1000


class Retriable(Exception):
    """The visit failed, and may succeed in another attempt."""


class Ignored(Exception):
    """There is nothing to do for the visit."""


class CommitRefused(Exception):
    """The visit is another worker's now, or committed: whatever was computed is not wanted. Ends the visit; do not catch it."""


class _GatewayGone(Exception):
    """The gateway has ended; nobody is there to report to."""


class _Gateway:
    """The lines from and to the gateway."""

    def __init__(self):
        # A descriptor of our own, so that nothing that is started here, or reads standard input, takes the gateway's words.
        self._orders = os.fdopen(os.dup(0), "r", encoding="utf-8")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.set_inheritable(_REPORTS, False)

    def receive(self):
        line = self._orders.readline()
        if not line.endswith("\n"):
            raise _GatewayGone()
        return json.loads(line)

    def report(self, **report):
        line = memoryview((json.dumps(report) + "\n").encode())
        try:
            while line:
                line = line[os.write(_REPORTS, line) :]
        except BrokenPipeError:
            raise _GatewayGone() from None


class _Commit:
    """The time in which a visit may commit."""

    def __init__(self, visit):
        self._visit = visit
        #: An earlier attempt may have committed: look before you write.
        self.uncertain = False

    def __enter__(self):
        self.uncertain = self._visit._ask_to_commit()
        return self

    def __exit__(self, kind, error, trace):
        self._visit._committed = kind is None
        return False


class Visit:
    """One detector of one visit. Fields are as in next_visit: ``visit["groupId"]``; numbers that are not known are NaN."""

    def __init__(self, gateway, order):
        self._gateway = gateway
        self._fields = order["visit"]
        for name in ("startTime", "cameraAngle", "duration", "private_sndStamp"):
            if self._fields.get(name) is None:
                self._fields[name] = math.nan
        self._fields["position"] = [math.nan if value is None else value for value in self._fields["position"]]
        self._commit_uncertain = order["commitUncertain"]
        self._raws = []
        self._committed = False
        self._ended = False
        #: From 1.
        self.attempt = order["attempt"]
        #: Seconds from the visit's arrival after which the gateway ends this program.
        self.deadline_seconds = order["deadlineSeconds"]
        #: Whether as many exposures came as were announced; known once :meth:`raws` has ended, None before.
        self.complete = None

    def __getitem__(self, name):
        return self._fields[name]

    @property
    def instrument(self):
        return self._fields["instrument"]

    @property
    def group(self):
        return self._fields["groupId"]

    @property
    def detector(self):
        return self._fields["detector"]

    @property
    def fields(self):
        """All fields, as a new dict."""
        return dict(self._fields)

    def raws(self):
        """The raws, from the first: dicts with bucket, key, snap, exposureId, obsId. A file that was sent anew comes once more."""
        at = 0
        while True:
            while at < len(self._raws):
                yield self._raws[at]
                at += 1
            if self.complete is not None:
                return
            self._take(self._gateway.receive())

    def commit(self):
        """A block that may commit. Entering it raises :class:`CommitRefused` when the visit is not this worker's any more."""
        return _Commit(self)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._end("committed" if self._committed else "ignored")
        elif issubclass(kind, Ignored):
            self._end("ignored", reason=str(error))
        elif issubclass(kind, CommitRefused):
            self._end("failed", reason=str(error))
        elif issubclass(kind, _GatewayGone) or not issubclass(kind, Exception):
            return False  # this program is ending
        else:
            traceback.print_exception(kind, error, trace)
            self._end("failed", retriable=issubclass(kind, (Retriable, OSError)), reason=f"{kind.__name__}: {error}")
        return True

    def _take(self, order):
        if order["type"] == "raw":
            self._raws.append({name: value for name, value in order.items() if name != "type"})
        elif order["type"] == "rawsEnd":
            self.complete = order["complete"]
        else:
            raise RuntimeError(f"The gateway sent {order['type']!r} where a raw or their end was due.")

    def _ask_to_commit(self):
        self._gateway.report(type="commit")
        while (order := self._gateway.receive())["type"] != "commit":
            self._take(order)  # raws that nobody waited for
        if not order["granted"]:
            raise CommitRefused(order["reason"])
        return self._commit_uncertain or order["uncertain"]

    def _end(self, outcome, retriable=False, reason=""):
        self._ended = True
        self._gateway.report(type="done", outcome=outcome, retriable=retriable, reason=reason[:_REASON_LIMIT])


def visits():
    """Visits, one after the other, for as long as the gateway has some. Ask when everything is loaded: visits come from then on."""
    gateway = _Gateway()
    try:
        gateway.report(type="ready")
        while True:
            order = gateway.receive()
            if order["type"] != "visit":
                continue  # what was still on its way for the visit before
            visit = Visit(gateway, order)
            yield visit
            if not visit._ended:
                raise RuntimeError("The visit was not processed within `with visit:`, so nobody knows how it ended.")
    except _GatewayGone:
        print("The gateway has ended.", file=sys.stderr)
