import json
import subprocess
import sys

import pytest

from similarity_lab.errors import AddressError

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.samples.serving import serve
from similarity_lab.web.crawler.guard import guard_reactor
from similarity_lab.web.policy.addresses import (
    check_address,
    is_public,
    may_connect,
    normal_address,
    site_key,
)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "192.0.0.8",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00::1",
        "fec0::1",
        "ff02::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001:db8::1",
        "100::1",
        "3fff::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "4000::1",
    ],
)
def test_private_addresses_are_recognised_in_every_wrapping(address):
    assert not is_public(address) and not may_connect(address, 80)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_recognised(address):
    assert is_public(address) and may_connect(address, 443)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://169.254.169.254/latest/",
        "http://[fe80::1%25a]/",
        "http://1.2.3/",
        "http://256.1.1.1/",
        "http://1.1.1.1.1/",
        "http://10.0.0.1:80/",
        "https://192.168.0.1/",
        "ftp://a.example/",
        "file:///etc/passwd",
        "data:text/html,x",
        "javascript:x",
        "gopher://a.example/",
        "//a.example/",
        "http://u:p@a.example/",
        "http://u@a.example/",
        "http://@a.example/",
        "http://a.example:22/",
        "http://a.example:99999/",
        "http://a.example:x/",
        "http:///a",
        "http://",
        "http://[::1",
        "http://a_b!.example/",
        "http://a..example/",
        "http://a.example\\@127.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://ⓛocalhost/",
    ],
)
def test_addresses_that_are_not_asked_for(url):
    with pytest.raises(AddressError):
        check_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example",
        "https://shop.example:8443/a?b=c",
        "http://xn--nsse-0ra.example/",
        "http://8.8.8.8/",
        "http://shop.example./",
        "http://[2606:4700::1111]/",
        "http://1and1.example/",
    ],
)
def test_addresses_that_are(url):
    assert check_address(url).hostname


def test_an_address_that_is_too_long_is_refused():
    with pytest.raises(AddressError, match="characters"):
        check_address("http://a.example/" + "a" * 3000)


def test_only_listed_ports_of_this_machine_are_allowed():
    assert check_address("http://127.0.0.1:8123/x", ["127.0.0.1:8123"])
    for url in ("http://127.0.0.1:8124/", "http://127.0.0.2:8123/", "http://127.0.0.1/"):
        with pytest.raises(AddressError):
            check_address(url, ["127.0.0.1:8123"])
    assert may_connect("127.0.0.1", 8123, ["127.0.0.1:8123"])
    assert not may_connect("::ffff:127.0.0.1", 8123, ["127.0.0.1:8123"])
    assert not may_connect("localhost", 8123, ["localhost:8123"])  # names are never connected to


def test_what_belongs_to_one_site():
    assert site_key("http://www.shop.co.uk/") == site_key("https://img.shop.co.uk") == "shop.co.uk"
    assert site_key("http://a.myshopify.com") != site_key("http://b.myshopify.com")
    assert site_key("http://127.0.0.1:1/") != site_key("http://127.0.0.1:2/")


def test_addresses_are_written_in_one_way():
    assert normal_address("Shop.Example") == normal_address(" http://shop.example/#x ")
    for text in ("", "  ", "http://[::1"):
        with pytest.raises(AddressError):
            check_address(normal_address(text))


class Reactor:
    """Stands for Twisted's: says where a name leads, and notes what is connected to."""

    def __init__(self, leads_to):
        from twisted.internet.testing import MemoryReactorClock

        self.connected, self.leads_to = [], leads_to
        self.clock = MemoryReactorClock()
        self.nameResolver = self

    def resolveHostName(self, receiver, name, portNumber=0, **_):
        from twisted.internet.address import IPv4Address, IPv6Address

        receiver.resolutionBegan(None)
        for host in self.leads_to:
            kind = IPv6Address if ":" in host else IPv4Address
            receiver.addressResolved(kind("TCP", host, portNumber))
        receiver.resolutionComplete()

    def connectTCP(self, host, port, *_, **__):
        self.connected.append((host, port))

    def seconds(self):
        return self.clock.seconds()

    def callLater(self, *arguments, **keywords):
        return self.clock.callLater(*arguments, **keywords)


@pytest.mark.parametrize(
    ("leads_to", "connected"),
    [
        (["127.0.0.1"], []),
        (["::ffff:10.0.0.1"], []),
        (["169.254.169.254", "fe80::1"], []),
        (["8.8.8.8"], [("8.8.8.8", 80)]),
        (["127.0.0.1", "8.8.8.8"], []),
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused_when_connecting(leads_to, connected):
    import warnings

    from twisted.internet.endpoints import HostnameEndpoint
    from twisted.internet.interfaces import IReactorPluggableNameResolver
    from twisted.internet.protocol import Factory
    from zope.interface import directlyProvides

    reactor = Reactor(leads_to)
    directlyProvides(reactor, IReactorPluggableNameResolver)
    guard_reactor(reactor, ())
    failures = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attempt = HostnameEndpoint(reactor, "rebound.example", 80).connect(Factory())
    attempt.addErrback(lambda failure: failures.append(failure.value))
    reactor.clock.pump([1] * 5)
    public = [pair for pair in reactor.connected if is_public(pair[0])]
    assert reactor.connected == public
    if connected:
        assert public == connected
    elif all(not is_public(host) for host in leads_to):
        assert isinstance(failures[0], AddressError)


def test_the_process_itself_refuses_and_writes_down(tmp_path):
    """Whatever a library does: the interpreter stops it, and the note is there."""
    with serve({}) as canary:
        code = (
            "import socket, sys; from pathlib import Path\n"
            "from similarity_lab.web.crawler.guard import guard_process\n"
            "guard_process(['127.0.0.1:9'], Path(sys.argv[1]))\n"
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
        assert canary.asked == []
    notes = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(notes) == 5 and not any(note["allowed"] for note in notes)
