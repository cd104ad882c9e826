"""In the crawler's process: no connection but to the public internet, and a note of every one.

Two locks on one door. The reactor's `connectTCP` is where a name has become an IP address, so a
request for a forbidden one fails there with a reason. An audit hook of the interpreter sees every
connect of the process, whichever library makes it; it writes them down, and stops what should
never have come so far.
"""

import errno
import json
import os
import sys
from collections.abc import Collection
from functools import wraps
from pathlib import Path
from typing import Any

from similarity_lab.errors import AddressError
from similarity_lab.web.policy.addresses import endpoint, may_connect

_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def guard_process(allow: Collection[str], log: Path) -> None:
    """Refuse and write down connections, from now on and for as long as the process lives."""
    # Opened once and kept: the hook may run where files cannot be opened any more
    file = os.open(
        log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600
    )

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or (address := arguments[-1]) is None:
            return
        is_ip = isinstance(address, tuple) and len(address) >= 2
        allowed = is_ip and may_connect(str(address[0]), int(address[1]), allow)
        note = {"event": event, "address": repr(address), "allowed": allowed}
        os.write(file, json.dumps(note).encode() + b"\n")
        if not allowed:
            raise PermissionError(errno.EACCES, f"a connection to {address!r} is not allowed")

    sys.addaudithook(hook)


def guard_reactor(reactor: Any, allow: Collection[str]) -> None:  # noqa: ANN401
    """Make a Twisted reactor refuse connections to what is not on the public internet."""
    connect = reactor.connectTCP

    @wraps(connect)
    def guarded(host: str, port: int, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
        if not may_connect(host, port, allow):
            raise AddressError(f"{endpoint(host, port)} is not on the public internet")
        return connect(host, port, *arguments, **keywords)

    reactor.connectTCP = guarded
