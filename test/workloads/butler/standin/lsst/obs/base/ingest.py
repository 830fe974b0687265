"""See the package."""

import json
import os
from itertools import groupby
from types import SimpleNamespace

from lsst.daf.butler import Butler
from sqlalchemy.exc import OperationalError
from usdf_butler.plain import PlainButler


class RawIngestConfig:
    transfer = "auto"


class DefineVisitsConfig:
    groupExposures = "by-group-metadata"


def _sidecar(uri):
    """What lies beside a local file, as the real task would read it; the test's s3:// paths have none."""
    return json.loads(uri.updatedExtension(".json").read()) if uri.isLocal else {}


def _obs_id(uri):
    return _sidecar(uri).get("OBSID") or uri.path.split("/")[3]


def _store(butler, uris, kind):
    """Really ingests, and gives the datasets as callbacks get them."""
    files = []
    for uri in uris:
        raft, sensor = uri.basename().removesuffix(".fits").split("_")[4:6]
        obs_id = _obs_id(uri)
        metadata = {"INSTRUME": "LSSTCam", "OBSID": obs_id, "DAYOBS": "20260603", "SEQNUM": int(obs_id[-6:]), "RA": 1.0, "DEC": 1.0}
        metadata |= {"RAFTBAY": raft, "CCDSLOT": sensor, "DATE-BEG": "2026-06-04T01:00:37.000", "EXPTIME": 30}
        metadata |= _sidecar(uri)
        files.append({"path": str(uri), "uri": str(uri), "size": 1, "metadata": metadata})
    results = PlainButler(butler).ingest(files, kind)
    for uri, result in zip(uris, results, strict=True):
        if result.status == "already":
            raise RuntimeError("Datastore already contains it")
        if result.status != "ingested":
            raise LookupError(result.status)
        key = {"instrument": result.exposure.instrument, "exposure": result.exposure.id}
        yield SimpleNamespace(path=uri, refs=[SimpleNamespace(dataId=_DataId(key, result.exposure.obsId))])


class _DataId(dict):
    def __init__(self, key, obs_id):
        super().__init__(key)
        self.records = {"exposure": SimpleNamespace(obs_id=obs_id)}

    def hasRecords(self):
        return True


class RawIngestTask:
    def __init__(self, *, config, butler, on_success, on_metadata_failure, on_ingest_failure):
        assert config.transfer == "direct"
        self.butler = butler
        self.callbacks = (on_success, on_metadata_failure, on_ingest_failure)

    def run(self, files):
        on_success, on_metadata_failure, on_ingest_failure = self.callbacks
        failed = False
        good = []
        for uri in files:
            if "bad" in str(uri):
                on_metadata_failure(uri, ValueError("no metadata"))
                failed = True
            else:
                good.append(uri)
        for _, group in groupby(good, _obs_id):
            uris = list(group)
            try:
                if any("lost" in str(uri) for uri in uris):
                    raise OperationalError("INSERT", {}, Exception("server closed the connection"))
                if any("broken" in str(uri) for uri in uris):
                    raise ValueError("one file of the exposure is broken")
                stubborn = any("stubborn" in str(uri) for uri in uris)  # commits, whatever its caller wants
                butler = Butler.from_config(os.environ["BUTLER_REPO"], writeable=True) if stubborn else self.butler
                datasets = list(_store(butler, uris, "raw"))
            except Exception as error:
                on_ingest_failure(SimpleNamespace(files=[SimpleNamespace(filename=uri) for uri in uris]), error)
                failed = True
            else:
                on_success(datasets)
        if failed:
            raise RuntimeError("Some failures encountered during ingestion")


def ingest_guider(butler, files, *, transfer, on_success, on_metadata_failure, on_ingest_failure, on_undefined_exposure):
    assert transfer == "direct"
    good = []
    for uri in files:
        found = butler.query_dimension_records("exposure", where=f"exposure.obs_id = '{_obs_id(uri)}'", instrument="LSSTCam", explain=False)
        if found:
            good.append(uri)
        else:
            on_undefined_exposure(uri, _obs_id(uri))
    if good:
        on_success(list(_store(butler, good, "guider")))
    if len(good) < len(files):
        raise RuntimeError("Some files were not ingested")


class DefineVisitsTask:
    def __init__(self, *, config, butler):
        assert config.groupExposures == "one-to-one"
        self.butler = butler

    def run(self, data_ids, *, incremental):
        assert incremental
        for data_id in data_ids:
            if not self.butler.query_dimension_records("exposure", data_id=data_id, explain=False):
                raise LookupError("no such exposure")
