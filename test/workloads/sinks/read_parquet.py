"""Reads Parquet files with pyarrow, which has nothing in common with what wrote them, and prints each as one JSON line.

Arguments: files. A line: {"file", "schema": {column: type}, "rows": [...]}; floats as JSON, NaN as "NaN", bytes as hex.
"""

import json
import math
import sys

import pyarrow.parquet as parquet


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value


for file in sys.argv[1:]:
    table = parquet.ParquetFile(file)
    read = table.read()
    print(
        json.dumps(
            {
                "file": file,
                "codec": table.metadata.row_group(0).column(0).compression,
                "avro": table.metadata.metadata[b"parquet.avro.schema"].decode(),
                "schema": {field.name: f"{field.type}{'' if field.nullable else ' not null'}" for field in read.schema},
                "rows": [plain(row) for row in read.to_pylist()],
            }
        )
    )
