"""A shop with a self-signed certificate."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from cryptography import x509

from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits, collect

from ..shops import image


def write_certificate(folder):
    """Write a self-signed certificate for 127.0.0.1, alone and with its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    alternative_name = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative_name, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public, both = folder / "trusted.pem", folder / "server.pem"
    public.write_bytes(certificate.public_bytes(pem))
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    both.write_bytes(secret + certificate.public_bytes(pem))
    return public, both


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Serve a shop over TLS; returns the server and the path of its certificate."""
    trusted, own = write_certificate(tmp_path_factory.mktemp("certificate"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    files = {"/": ("text/html", b'<img src="/nuts.jpg">'), "/nuts.jpg": image("brown")}
    with serve(files) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server, trusted


def collected_row(server, folder, **options):
    url = f"https://{server.endpoint}/"
    options |= {"limits": Limits(seconds=20), "allow": server.endpoint, "throttle": False}
    return collect(url, folder, progress=False, **options).table.iloc[0]


def test_untrusted_certificate_is_refused(shop, tmp_path):
    server, _ = shop
    before = len(server.requests)
    row = collected_row(server, tmp_path)
    assert row["crawl_status"] == "failed" and "certificate is not trusted" in row["reason"]
    assert len(server.requests) == before


def test_untrusted_certificate_is_accepted_without_verification(shop, tmp_path):
    assert collected_row(shop[0], tmp_path, verify=False)["n_images"] == 1


def test_certificate_trusted_by_the_environment_is_accepted(shop, tmp_path, monkeypatch):
    server, trusted = shop
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert collected_row(server, tmp_path)["n_images"] == 1
