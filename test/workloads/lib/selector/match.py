"""Prints, for each pattern, which names it takes: from the start; `?` where a search or a full match differs."""

import re
import sys

patterns, names = (open(path).read().split("\n") for path in sys.argv[1:])
for text in patterns:
    pattern = re.compile(text)
    row = []
    for name in names:
        ways = {bool(way(name)) for way in (pattern.match, pattern.search, pattern.fullmatch)}
        row.append("?" if len(ways) > 1 else "1" if True in ways else "0")
    print("".join(row))
