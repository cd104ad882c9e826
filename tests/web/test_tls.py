"""A shop behind TLS whose certificate nobody trusts, until somebody says so."""

import io
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from cryptography import x509

from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits, collect


def certificate(folder):
    """Write a certificate for 127.0.0.1 that vouches for itself, with its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public, both = folder / "trusted.pem", folder / "server.pem"
    public.write_bytes(made.public_bytes(pem))
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    both.write_bytes(secret + made.public_bytes(pem))
    return public, both


def test_a_certificate_counts(tmp_path, monkeypatch, make_photo):
    trusted, own = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    photo = io.BytesIO()
    make_photo((150, 90, 50), size=(80, 80)).save(photo, "JPEG")
    page = b'<img src="/nuts.jpg" alt="nuts">'
    files = {"/": ("text/html", page), "/nuts.jpg": ("image/jpeg", photo.getvalue())}
    with serve(files) as shop:
        shop.socket = context.wrap_socket(shop.socket, server_side=True)

        def outcome(name, **options):
            how = {
                "limits": Limits(seconds=20),
                "allow": shop.endpoint,
                "throttle": False,
                "progress": False,
            }
            url = f"https://{shop.endpoint}/"
            return collect(url, tmp_path / name, **how, **options).table.iloc[0]

        refused = outcome("refused")
        assert (refused["status"], shop.asked) == ("failed", [])
        assert "certificate is not trusted" in refused["reason"]
        assert outcome("any", verify=False)["n_images"] == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert outcome("trusted")["n_images"] == 1
