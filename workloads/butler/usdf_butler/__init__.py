"""Butler child of ingest: answers JSON lines on standard input with JSON lines on standard output.

Run it as ``python -m usdf_butler`` with ``BUTLER_REPO`` set; see ``workloads/butler/README.md`` for the protocol.
"""
