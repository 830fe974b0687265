"""The bare part of the ingest bench: sidecars from S3 with threads, then one ``butler.ingest``. No queue, no retries.

Arguments: repository, endpoint, bucket, profile. A line on standard input is a JSON list of keys; the answer is the time in
milliseconds. The clock starts with the keys, so imports and the opening of the repository are not counted.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from astropy.time import Time
from botocore.config import Config
from lsst.daf.butler import Butler, DataCoordinate, DatasetIdGenEnum, DatasetRef, DatasetType, FileDataset, Timespan

repo, endpoint, bucket, profile = sys.argv[1:5]
CONCURRENCY = 32
Butler.makeRepo(repo)
butler = Butler.from_config(repo, writeable=True)
tables = Path(__file__).parents[3] / "workloads" / "butler" / "instruments.json"
camera = next(row for row in json.loads(tables.read_text()) if row["name"] == "LSSTCam")
detectors = {(row["raft"], row["sensor"]): row for row in camera["detectors"]}
registry = butler.registry
registry.insertDimensionData("instrument", {"name": "LSSTCam", "exposure_max": 2**50, "visit_max": 2**50, "detector_max": 205})
rows = [{"instrument": "LSSTCam", "id": row["id"], "full_name": row["name"], "purpose": row["purpose"]} for row in camera["detectors"]]
registry.insertDimensionData("detector", *rows)
dimensions = ("instrument", "exposure", "detector")
raw = DatasetType("raw", dimensions, "Exposure", universe=butler.dimensions)
guider = DatasetType("guider_raw", dimensions, "Stamps", universe=butler.dimensions)
for dataset_type in (raw, guider):
    registry.registerDatasetType(dataset_type)
for run in ("LSSTCam/raw/all", "LSSTCam/raw/guider"):
    butler.collections.register(run)
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(max_pool_connections=CONCURRENCY))
pool = ThreadPoolExecutor(CONCURRENCY)


def sidecar(key):
    return json.loads(s3.get_object(Bucket=bucket, Key=key.removesuffix(".fits") + ".json")["Body"].read())


def ingest(keys):
    headers = list(pool.map(sidecar, keys))
    one = headers[0]
    day, exposure = int(one["DAYOBS"]), int(one["DAYOBS"]) * 100_000 + one["SEQNUM"]
    begin, end = (Time(one[name], format="isot", scale="tai") for name in ("DATE-BEG", "DATE-END"))
    identity = {"instrument": "LSSTCam"}
    registry.insertDimensionData("physical_filter", {**identity, "name": one["FILTER"], "band": one["FILTBAND"]}, skip_existing=True)
    registry.insertDimensionData("day_obs", {**identity, "id": day}, skip_existing=True)
    registry.insertDimensionData("group", {**identity, "name": one["GROUPID"]}, skip_existing=True)
    record = {**identity, "id": exposure, "obs_id": one["OBSID"], "physical_filter": one["FILTER"], "group": one["GROUPID"]}
    registry.insertDimensionData("exposure", {**record, "day_obs": day, "timespan": Timespan(begin, end)})
    datasets = []
    for key, header in zip(keys, headers, strict=True):
        detector = detectors[header["RAFTBAY"], header["CCDSLOT"]]
        is_guider = detector["purpose"] == "GUIDER"
        data_id = DataCoordinate.standardize(instrument="LSSTCam", exposure=exposure, detector=detector["id"], universe=butler.dimensions)
        run = "LSSTCam/raw/guider" if is_guider else "LSSTCam/raw/all"
        mode = DatasetIdGenEnum.DATAID_TYPE_RUN
        ref = DatasetRef(guider if is_guider else raw, data_id, run=run, id_generation_mode=mode)
        uri = f"s3://{profile}@{bucket}/{key}"
        datasets.append(FileDataset(path=uri, refs=[ref], formatter="lsst.daf.butler.formatters.file.FileFormatter"))
    butler.ingest(*datasets, transfer="direct")


print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    ingest(json.loads(line))
    print((time.perf_counter() - started) * 1000, flush=True)
