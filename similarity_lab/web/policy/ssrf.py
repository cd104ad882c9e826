"""SSRF protection of the crawler's process: connections to the public internet only, all logged.

Two layers. The reactor's `connectTCP` receives the IP address that a host name resolved to, so a
forbidden one fails there with a reason. An audit hook of the interpreter sees every connection of
the process, whichever library makes it; it logs them all and blocks what the first layer missed.
"""

import errno
import json
import os
import sys
from collections.abc import Collection
from functools import wraps
from pathlib import Path
from typing import Any

from similarity_lab.errors import UrlError
from similarity_lab.web.policy.urls import endpoint, may_connect

_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def restrict_process(allow: Collection[str], log: Path) -> None:
    """Block and log forbidden connections for the rest of the process's life.

    Parameters
    ----------
    allow : collection of str
        ``host:port`` allowed although not on the public internet.
    log : path
        JSON lines: ``event``, ``address``, ``allowed``.
    """
    # Opened once: the hook may run where no file can be opened any more
    file = os.open(
        log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600
    )

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or (address := arguments[-1]) is None:
            return
        is_ip = isinstance(address, tuple) and len(address) >= 2
        allowed = is_ip and may_connect(str(address[0]), int(address[1]), allow)
        row = {"event": event, "address": repr(address), "allowed": allowed}
        os.write(file, json.dumps(row).encode() + b"\n")
        if not allowed:
            raise PermissionError(errno.EACCES, f"connection to {address!r} is not allowed")

    sys.addaudithook(hook)


def restrict_reactor(reactor: Any, allow: Collection[str]) -> None:  # noqa: ANN401
    """Make a Twisted reactor refuse connections to non-public IP addresses."""
    connect = reactor.connectTCP

    @wraps(connect)
    def restricted(host: str, port: int, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
        if not may_connect(host, port, allow):
            raise UrlError(f"{endpoint(host, port)} is not on the public internet")
        return connect(host, port, *arguments, **keywords)

    reactor.connectTCP = restricted
