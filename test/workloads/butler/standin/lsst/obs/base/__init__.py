"""A stand-in for the tasks of lsst.obs.base, which this machine cannot have: for tests of our bookkeeping in obs mode only.

It keeps to the callbacks' contract: a file with `bad` in its name has no metadata; all files of an exposure are one
transaction, so one with `broken` in its name costs the exposure's others; a RuntimeError at the end when anything failed.
What it ingests is real, by the code of plain mode with a made-up header.
"""

from .ingest import DefineVisitsConfig, DefineVisitsTask, RawIngestConfig, RawIngestTask

__all__ = ["DefineVisitsConfig", "DefineVisitsTask", "RawIngestConfig", "RawIngestTask"]
