import json
import subprocess
import sys
import warnings

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from similarity_lab.errors import UrlError
from similarity_lab.samples.serving import serve
from similarity_lab.web.policy.ssrf import restrict_reactor


@implementer(IReactorPluggableNameResolver)
class Reactor:
    """A reactor that resolves every name to `ips` and records connections."""

    def __init__(self, ips):
        self.connections, self.ips = [], ips
        self.clock = MemoryReactorClock()
        self.nameResolver = self

    def resolveHostName(self, receiver, name, portNumber=0, **_):
        receiver.resolutionBegan(None)
        for host in self.ips:
            kind = IPv6Address if ":" in host else IPv4Address
            receiver.addressResolved(kind("TCP", host, portNumber))
        receiver.resolutionComplete()

    def connectTCP(self, host, port, *_, **__):
        self.connections.append((host, port))

    def seconds(self):
        return self.clock.seconds()

    def callLater(self, *arguments, **keywords):
        return self.clock.callLater(*arguments, **keywords)


def connect(reactor):
    """Return the failures of connecting to a host name."""
    failures = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attempt = HostnameEndpoint(reactor, "rebound.example", 80).connect(Factory())
    attempt.addErrback(lambda failure: failures.append(failure.value))
    reactor.clock.pump([1] * 5)
    return failures


@pytest.mark.parametrize(
    "ips", [["127.0.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254", "fe80::1"]]
)
def test_host_that_resolves_to_private_ips_is_not_contacted(ips):
    reactor = Reactor(ips)
    restrict_reactor(reactor, ())
    assert isinstance(connect(reactor)[0], UrlError)
    assert reactor.connections == []


def test_host_that_resolves_to_a_public_ip_is_contacted():
    reactor = Reactor(["8.8.8.8"])
    restrict_reactor(reactor, ())
    assert not connect(reactor)
    assert reactor.connections == [("8.8.8.8", 80)]


def test_host_that_resolves_to_both_is_contacted_at_the_public_ip_only():
    reactor = Reactor(["127.0.0.1", "8.8.8.8"])
    restrict_reactor(reactor, ())
    connect(reactor)
    assert {host for host, _ in reactor.connections} <= {"8.8.8.8"}


def test_process_blocks_and_logs_every_connection(tmp_path):
    with serve({}) as canary:
        code = (
            "import socket, sys; from pathlib import Path\n"
            "from similarity_lab.web.policy.ssrf import restrict_process\n"
            "restrict_process(['127.0.0.1:9'], Path(sys.argv[1]))\n"
            "port = int(sys.argv[2])\n"
            "for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
            "    one = socket.socket(socket.AF_INET, kind)\n"
            "    try: one.connect(('127.0.0.1', port))\n"
            "    except PermissionError: print('refused')\n"
            "    try: one.sendto(b'x', ('127.0.0.1', port))\n"
            "    except PermissionError: print('refused')\n"
            "    except OSError: print('not connected')\n"
            "try: socket.socket(socket.AF_UNIX).connect('/tmp/nothing')\n"
            "except PermissionError: print('refused')\n"
        )
        log = tmp_path / "log"
        port = canary.endpoint.rpartition(":")[2]
        run = subprocess.run(
            [sys.executable, "-c", code, str(log), port], capture_output=True, text=True, check=True
        )
        assert run.stdout.split() == ["refused"] * 5
        assert canary.requests == []
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(rows) == 5 and not any(row["allowed"] for row in rows)
