import pytest

from similarity_lab.errors import UrlError

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.policy.urls import (
    check_url,
    is_public,
    may_connect,
    normalize_url,
    site_key,
    spelling_key,
    without_tracking,
)


@pytest.mark.parametrize(
    "ip",
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
def test_private_ip_is_recognised_in_every_notation(ip):
    assert not is_public(ip) and not may_connect(ip, 80)


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_ip_is_recognised(ip):
    assert is_public(ip) and may_connect(ip, 443)


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
def test_forbidden_url_is_refused(url):
    with pytest.raises(UrlError):
        check_url(url)


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
def test_public_url_is_accepted(url):
    assert check_url(url).hostname


def test_long_url_is_refused():
    with pytest.raises(UrlError, match="characters"):
        check_url("http://a.example/" + "a" * 3000)


ALLOW = ["127.0.0.1:8123"]


def test_allowed_endpoint_is_accepted():
    assert check_url("http://127.0.0.1:8123/x", ALLOW)
    assert may_connect("127.0.0.1", 8123, ALLOW)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8124/", "http://127.0.0.2:8123/", "http://127.0.0.1/"]
)
def test_other_endpoint_of_this_machine_is_refused(url):
    with pytest.raises(UrlError):
        check_url(url, ALLOW)


@pytest.mark.parametrize("host", ["::ffff:127.0.0.1", "localhost"])
def test_connection_needs_the_allowed_ip_itself(host):
    assert not may_connect(host, 8123, [*ALLOW, "localhost:8123"])


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("http://www.shop.co.uk/", "https://img.shop.co.uk", True),
        ("http://a.myshopify.com", "http://b.myshopify.com", False),
        ("http://127.0.0.1:1/", "http://127.0.0.1:2/", False),
    ],
)
def test_site_is_the_registered_domain(a, b, same):
    assert (site_key(a) == site_key(b)) == same


def test_url_is_normalized():
    assert normalize_url("Shop.Example") == normalize_url(" http://shop.example/#x ")


@pytest.mark.parametrize("text", ["", "  ", "http://[::1"])
def test_text_that_is_not_a_url_is_refused(text):
    with pytest.raises(UrlError):
        normalize_url(text)


SHOP = "https://shop.example/"


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example", "https://www.shop.example/", "HTTPS://WWW.SHOP.EXAMPLE",
        "shop.example/",
        "https://shop.example:443", "http://shop.example:80/", "https://shop.example./",
        "https://shop.example/#top", "https://shop.example/?utm_source=a&utm_medium=b&gclid=c",
        "https://shop.example/?fbclid=1", "https://shop.example/index.html", "shop.example/?",
        "https://shop.example/Default.aspx", "https://shop.example//",
    ],
)  # fmt: skip
def test_spellings_of_one_url(url):
    assert spelling_key(url) == spelling_key(SHOP)


@pytest.mark.parametrize(
    "url",
    [
        "https://nuts.shop.example/", "https://shop.example:8080/", "https://shop.example/nuts",
        "https://shop.example/?page=2", "https://www.example/", "https://shop.example/index.html/a",
    ],
)  # fmt: skip
def test_other_urls_are_not_spellings(url):
    assert spelling_key(url) != spelling_key(SHOP)


def test_spellings_of_a_page():
    page = spelling_key("https://müller.example/Nüsse?b=2&a=1")
    for url in (
        "http://www.xn--mller-kva.example/N%c3%bcsse/?a=1&b=2&mc_cid=9",
        "MÜLLER.example/N%C3%BCsse?b=2&utm_id=x&a=1#:~:text=nuts",
    ):
        assert spelling_key(url) == page
    assert spelling_key("https://müller.example/nüsse?b=2&a=1") != page  # paths have case


def test_tracking_parameters_are_removed():
    assert without_tracking("https://a.example/p?id=3&gclid=x&utm_id") == "https://a.example/p?id=3"
    for url in ("https://a.example/?q=%20&b=c;d", "https://a.example/?clidx=1&refine=2"):
        assert without_tracking(url) == url
