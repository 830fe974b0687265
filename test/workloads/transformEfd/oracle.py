"""Brute-force summaries in numpy, one mask a column and record: what the TypeScript ones are compared with.

Reads JSON {topics, columns, records, legacy} from standard input and writes [[value or {field: value}, ...], ...], a list
a column with an entry a record; null where there is none.
"""

import json
import math
import sys

import numpy as np

TAI_MINUS_UTC = 37 * 10**9  # 2017 and later


def main():
    given = json.load(sys.stdin)
    print(json.dumps([evaluate(case) for case in given]))


def evaluate(case):
    topics = {
        name: {
            "times": np.array(topic["times"], dtype=np.int64),
            "fields": {field: np.array(values, dtype=np.float64) for field, values in topic["fields"].items()},
        }
        for name, topic in case["topics"].items()
    }
    origin = int(case["origin"])
    return [
        [summary(column, record, topics.get(column["topics"][0]["name"]), origin, case["legacy"]) for record in case["records"]]
        for column in case["columns"]
    ]


def summary(column, record, topic, origin, legacy):
    if topic is None:
        return None
    begin, end = record["begin"], record["end"]
    if not legacy.get("startOffset"):
        begin += round(column.get("start_offset", 0) * 3600e9)
    names = [field["name"] for field in column["topics"][0]["fields"] if field["name"] != column.get("subset_field")]
    if column["packed_series"]:
        times, values = unpacked(topic, names[0], origin)
        data = {names[0]: values}
    else:
        times, data = topic["times"], {name: topic["fields"][name] for name in names if name in topic["fields"]}
    mask = (times >= begin) & (times <= end)
    interval = column.get("pre_aggregate_interval")
    if interval:
        step = int(interval[:-1]) * 10**9
        labels = (times + origin) // step * step - origin
        whole = (labels >= begin) & (labels + step - 1 <= end)
        if legacy.get("buckets"):
            whole = (labels >= begin) & (labels <= end)
        first = -((-(begin + origin)) // step) * step - origin
        if first + step - 1 <= end or (legacy.get("buckets") and first <= end):
            return buckets(labels, whole, data, names, column)
    if column.get("subset_field"):
        wanted = column["subset_value"] if isinstance(column["subset_value"], list) else [column["subset_value"]]
        mask &= np.isin(topic["fields"][column["subset_field"]], np.array([float(value) for value in wanted]))
    return reduce_all({name: values[mask] for name, values in data.items()}, times[mask], names, column, legacy)


def buckets(labels, whole, data, names, column):
    means = {name: [] for name in data}
    for label in np.unique(labels[whole]):
        for name, values in data.items():
            inside = values[labels == label]
            inside = inside[~np.isnan(inside)]
            means[name].append(inside.mean() if len(inside) else np.nan)
    return reduce_all({name: np.array(values) for name, values in means.items()}, None, names, column, {})


def reduce_all(data, times, names, column, legacy):
    data = {name: values for name, values in data.items() if len(values) and not np.isnan(values).all()}
    if not data:
        return None
    names = [name for name in names if name in data]
    table = np.stack([data[name] for name in names], axis=1)
    complete = ~np.isnan(table).any(axis=1)
    table = table[complete]
    times = times[complete] if times is not None else None
    if column.get("store_unpivoted"):
        per_field = {name: number(apply(column, table[:, [at]], times, legacy)) for at, name in enumerate(names)}
        return {name: value for name, value in per_field.items() if value is not None}
    return number(apply(column, table, times, legacy))


def apply(column, table, times, legacy):
    args = column.get("function_args") or {}
    if len(table) == 0:
        return None
    flat = table.flatten()
    match column["function"]:
        case "mean":
            return flat.mean()
        case "min":
            return flat.min()
        case "max":
            return flat.max()
        case "stddev":
            ddof = args.get("ddof", 1)
            return flat.std(ddof=ddof) if len(flat) > max(1, ddof) else None
        case "most_recent_value":
            return table[-1, 0]
        case "rms_from_polynomial_fit":
            degree = args.get("degree", 1)
            if len(flat) <= degree:
                return None
            x = np.arange(len(flat)) if args.get("fit_basis", "index") == "index" else (times - times[0]).astype(float)
            fit = np.polyval(np.polyfit(x, flat, degree), x)
            if legacy.get("rms"):
                return math.sqrt(np.mean((flat[:, None] - fit[None, :]) ** 2))
            return math.sqrt(np.mean((flat - fit) ** 2))


def number(value):
    return None if value is None or not math.isfinite(value) else float(value)


def unpacked(topic, base, origin):
    """Rows are a second apart where none is missing; the time of each sample is counted in exact whole nanoseconds."""
    elements = sorted((f for f in topic["fields"] if f[: len(base)] == base and f[len(base) :].isdigit()), key=lambda f: int(f[len(base) :]))
    stamps = topic["fields"]["cRIO_timestamp"]
    begins = np.array([int(s) * 10**9 + round((s - int(s)) * 1e9) - TAI_MINUS_UTC - origin for s in stamps], dtype=np.int64)
    times, values = [], []
    for row, begin in enumerate(begins):
        step = begins[row + 1] - begin if row + 1 < len(begins) else 10**9
        if step > 1.4e9:
            step = 10**9
        for at, element in enumerate(elements):
            times.append(begin + round(at * float(step) / len(elements)))
            values.append(topic["fields"][element][row])
    return np.array(times, dtype=np.int64), np.array(values)


main()
