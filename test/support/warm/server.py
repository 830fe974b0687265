"""Butler children without their second of imports: loads everything once, and forks for each caller.

Arguments: the socket to listen at. Ends with its standard input. A caller (client.py) sends its three standard descriptors, then
one JSON line: `environment`. What is forked runs `usdf_butler` as `python -m usdf_butler` would; it dies when its caller
does, and its exit code goes back to the caller.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import traceback

from usdf_butler import __main__ as program
from usdf_butler import known, plain, rehearsal, repository  # noqa: F401


def warm_up() -> None:
    """Makes a repository and asks it something, so that what is loaded late is there too."""
    with tempfile.TemporaryDirectory() as folder:
        butler, _ = repository.open_repository(folder, create=True, registry_url="")
        plain.PlainButler(butler)
        butler.query_dimension_records("instrument", explain=False, limit=1)
        butler.close()
    import boto3  # noqa: F401
    import sqlalchemy

    sqlalchemy.create_engine("postgresql+psycopg://none/none").dispose()


def run(caller: socket.socket, descriptors: list[int], environment: dict[str, str]) -> None:
    """The forked process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)

    def die_with_caller() -> None:
        caller.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=die_with_caller, daemon=True).start()
    code = 1
    try:
        for folder in environment.get("PYTHONPATH", "").split(":"):
            if os.path.exists(customization := os.path.join(folder, "sitecustomize.py")):  # as Python looks for it
                runpy.run_path(customization)
        program.main()
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    caller.send(bytes([code]))
    os._exit(code)


def serve(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    part = f"{path}.{os.getpid()}"
    listener.bind(part)
    listener.listen(64)
    os.rename(part, path)  # who sees it can connect

    def end_with_parent() -> None:
        sys.stdin.read()
        try:
            os.unlink(path)
        finally:
            os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    while True:
        caller, _ = listener.accept()
        line, descriptors, _, _ = socket.recv_fds(caller, 1 << 20, 3)
        while not line.endswith(b"\n"):
            line += caller.recv(1 << 20)
        if os.fork() == 0:
            listener.close()
            run(caller, descriptors, json.loads(line)["environment"])
        for descriptor in descriptors:
            os.close(descriptor)
        caller.close()


warm_up()
gc.collect()
gc.freeze()
serve(sys.argv[1])
