"""Statistics of windows by Python's own module: reads [[numbers], ...] as JSON, prints a list of statistics."""

import json
import statistics
import sys


def statistics_of(samples):
    if len(samples) < 2:
        first = samples[0]
        return {"min": first, "q1": None, "mean": first, "median": first, "stdev": None, "q3": None, "max": first}
    q1, _, q3 = statistics.quantiles(samples, n=4)
    return {
        "min": min(samples),
        "q1": q1,
        "mean": statistics.mean(samples),
        "median": statistics.median(samples),
        "stdev": statistics.stdev(samples),
        "q3": q3,
        "max": max(samples),
    }


print(json.dumps([statistics_of(samples) for samples in json.load(sys.stdin)]))
