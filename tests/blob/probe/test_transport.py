"""Ways of getting no answer at all: names, ports, TLS, silence. Each has a diagnosis of its own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dassie.blob.probe import certificates
from dassie.blob.probe.diagnosis import Kind
from dassie.blob.probe.http import split_host
from dassie.blob.probe.run import confirm, probe
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings
from tests.blob.probe.scripted import ScriptedStore
from tests.blob.probe.test_detection import kind_of
from tests.stores.ca import Certificate, TestCA
from tests.stores.proxy import Proxy

BASE = StorageSettings(
    "s3",
    bucket="bkt",
    access_key="AK",
    secret_key="SK",
    connect_timeout_s=1,
    request_timeout_s=2,
    stall_timeout_s=1,
)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestCA:
    return TestCA(tmp_path_factory.mktemp("ca"))


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose every connection is handed to `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    serve(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def look(endpoint: str, **more: object) -> tuple[Kind, str]:
    report = probe(replace(BASE, endpoint=endpoint, **more), pause=lambda _: None)
    return kind_of(report), report.line


def test_an_unknown_host() -> None:
    kind, line = look("http://no-such-host.invalid:9000")
    assert kind is Kind.UNKNOWN_HOST
    assert "no-such-host.invalid" in line


def test_a_port_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kind, line = look(f"http://127.0.0.1:{port}")
    assert kind is Kind.REFUSED
    assert str(port) in line
    assert look(f"127.0.0.1:{port}")[0] is Kind.REFUSED


def test_a_store_that_takes_the_connection_and_says_nothing() -> None:
    over = threading.Event()
    with listening(lambda connection: over.wait(20) and None) as port:
        begin = time.monotonic()
        kind, _ = look(f"http://127.0.0.1:{port}")
        over.set()
    assert kind is Kind.TIMEOUT
    assert time.monotonic() - begin < 15


def test_an_answer_that_drips_is_cut_at_the_request_timeout() -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with listening(drip) as port:
        begin = time.monotonic()
        kind, _ = look(f"http://127.0.0.1:{port}", request_timeout_s=0.5)
    assert kind is Kind.TIMEOUT
    assert time.monotonic() - begin < 10


def test_a_service_that_is_not_http() -> None:
    with listening(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as port:
        kind, line = look(f"http://127.0.0.1:{port}")
    assert kind is Kind.NOT_S3
    assert "does not speak HTTP" in line


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"z" * 65536 + b"\r\n")

    with listening(flood) as port:
        assert look(f"http://127.0.0.1:{port}", request_timeout_s=5)[0] is Kind.NOT_S3


@pytest.mark.parametrize(
    "endpoint", ["http://h:x", "ftp://h", "http://h/path", "http://h:99999", "http://h?x=y"]
)
def test_an_endpoint_that_is_none(endpoint: str) -> None:
    kind, line = look(endpoint)
    assert kind is Kind.ENDPOINT_NAME
    assert "https://host:port" in line


def test_hosts_and_ports() -> None:
    assert split_host("h", tls=True) == ("h", 443)
    assert split_host("h", tls=False) == ("h", 80)
    assert split_host("h:1", tls=False) == ("h", 1)
    assert split_host("[::1]:9000", tls=False) == ("::1", 9000)
    assert split_host("[::1]", tls=True) == ("::1", 443)


# -- TLS ------------------------------------------------------------------------------------------


@contextmanager
def behind(store: ScriptedStore, certificate: Certificate) -> Iterator[str]:
    """The scripted store over TLS."""
    with Proxy(store.settings.endpoint, certificate=certificate) as proxy:
        yield proxy.endpoint


def over_tls(store: ScriptedStore, endpoint: str, ca: TestCA) -> StorageSettings:
    return replace(store.settings, endpoint=endpoint, ca_file=str(ca.file))


def test_a_private_authority_is_trusted_when_it_is_named(store: ScriptedStore, ca: TestCA) -> None:
    with behind(store, ca.good()) as endpoint:
        settings = over_tls(store, endpoint, ca)
        report = probe(settings)
        assert report.ok
        assert report.requests == 8
        untrusted = probe(replace(settings, ca_file=""))
        assert kind_of(untrusted) is Kind.TLS_UNKNOWN_CA
        assert "--storage-ca-file" in untrusted.line
        der = ssl.PEM_cert_to_DER_cert(ca.good().certificate.read_text().strip())
        import hashlib

        assert f"sha256 {hashlib.sha256(der).hexdigest()}" in untrusted.line
        assert probe(replace(settings, ca_file="", insecure=True)).ok


def test_the_scheme_is_found_out(store: ScriptedStore, ca: TestCA) -> None:
    with behind(store, ca.good()) as endpoint:
        settings = over_tls(store, endpoint.removeprefix("https://"), ca)
        report = probe(settings)
        assert report.profile is not None
        assert report.profile.endpoint == endpoint
        # TLS whose certificate is not trusted is never given up for plain HTTP.
        assert kind_of(probe(replace(settings, ca_file=""))) is Kind.TLS_UNKNOWN_CA
    plain = replace(store.settings, endpoint=f"127.0.0.1:{store.port}")
    report = probe(plain)
    assert report.profile is not None
    assert report.profile.endpoint == f"http://127.0.0.1:{store.port}"
    assert report.requests == 8


@pytest.mark.parametrize(
    ("which", "kind", "words"),
    [
        ("expired", Kind.TLS_EXPIRED, "valid until"),
        ("not_yet_valid", Kind.TLS_EXPIRED, "not yet valid"),
        ("wrong_name", Kind.TLS_WRONG_NAME, "store.example.org"),
        ("self_signed", Kind.TLS_UNKNOWN_CA, "self-signed"),
    ],
)
def test_certificates_that_are_not_accepted(
    store: ScriptedStore, ca: TestCA, which: str, kind: Kind, words: str
) -> None:
    certificate: Certificate = getattr(ca, which)()
    with behind(store, certificate) as endpoint:
        report = probe(over_tls(store, endpoint, ca))
    assert kind_of(report) is kind
    assert words in report.line
    assert "sha256" in report.line
    assert store.calls == []


def test_plain_http_on_a_tls_port(store: ScriptedStore, ca: TestCA) -> None:
    with behind(store, ca.good()) as endpoint:
        kind, line = look(endpoint.replace("https:", "http:"))
    assert kind is Kind.PLAIN_ON_TLS_PORT
    assert "https://" in line


def test_tls_on_a_plain_port(store: ScriptedStore) -> None:
    kind, line = look(f"https://127.0.0.1:{store.port}")
    assert kind is Kind.TLS_ON_PLAIN_PORT
    assert "http://" in line


def test_a_file_of_trusted_certificates_that_cannot_be_read(
    store: ScriptedStore, ca: TestCA, tmp_path: Path
) -> None:
    (tmp_path / "none.pem").write_text("no certificate here")
    with behind(store, ca.good()) as endpoint:
        for name in ("missing.pem", "none.pem"):
            kind, line = look(endpoint, ca_file=str(tmp_path / name))
            assert kind is Kind.TLS_OTHER
            assert name in line


def test_an_authority_used_as_a_server_is_noted(store: ScriptedStore, tmp_path: Path) -> None:
    certificate = _authority_as_server(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text().strip())
    assert certificates.is_authority(der)
    with behind(store, certificate) as endpoint:
        settings = replace(store.settings, endpoint=endpoint, ca_file=str(certificate.certificate))
        report = probe(settings)
    assert report.ok
    assert [note.kind for note in report.notes] == [Kind.TLS_AUTHORITY]


def test_an_ordinary_certificate_is_no_authority(ca: TestCA) -> None:
    der = ssl.PEM_cert_to_DER_cert(ca.good().certificate.read_text().strip())
    assert not certificates.is_authority(der)
    assert certificates.is_authority(ssl.PEM_cert_to_DER_cert(ca.file.read_text().strip()))


def _authority_as_server(folder: Path) -> Certificate:
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "own.pem", folder / "own.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def test_confirming_a_store_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    found = confirm(replace(BASE, endpoint=endpoint), Profile("", endpoint=endpoint))
    assert found is not None
    assert found.kind is Kind.REFUSED
    assert found.transient
