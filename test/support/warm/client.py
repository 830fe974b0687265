"""Stands for `python -u -m usdf_butler`: asks server.py for a child with these descriptors and this environment.

Argument: the socket of the server. Ends as the child does.
"""

import json
import os
import signal
import socket
import sys

server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
socket.send_fds(server, [json.dumps({"environment": dict(os.environ)}).encode() + b"\n"], [0, 1, 2])
for descriptor in (0, 1):  # the child's alone: whoever waits for the end of input or output must see it
    os.close(descriptor)
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the child does
signal.signal(signal.SIGINT, signal.SIG_IGN)
answer = server.recv(1)
if not answer:  # it was killed
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(answer[0])
