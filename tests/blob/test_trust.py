"""Whose certificates each driver trusts: our own authority, the system's, a lone certificate."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dassie.blob.drivers.botocore import BotocoreStore
from dassie.blob.drivers.obstore import ObstoreStore
from dassie.blob.drivers.trust import TrustedFile
from dassie.blob.errors import StoreUnavailable
from dassie.blob.open import open_store
from dassie.blob.probe.run import probe
from dassie.errors import InvalidArgument
from tests.stores.ca import TestCA
from tests.stores.hostile import start_hostile


@pytest.fixture
def ca(tmp_path):
    return TestCA(tmp_path / "ca")


@pytest.fixture
def served(ca):
    running, server = start_hostile(ca)
    yield running
    server.close()


class _SelfSigned:
    """Stands for an authority where the server's own certificate is one."""

    def __init__(self, ca):
        self._certificate = ca.own_authority()
        self.file = self._certificate.certificate

    def good(self):
        return self._certificate


def put_and_get(store):
    with closing(store):
        store.put("k", [b"bytes"])
        assert store.get("k") == b"bytes"


def test_a_store_whose_certificate_is_its_own_authority(ca):
    """obstore's TLS library refuses it; what the probe accepts must also work."""
    running, server = start_hostile(_SelfSigned(ca))
    with closing(server):
        settings = running.settings("self", connect_timeout_s=3.0)
        report = probe(settings)
        assert report.profile is not None, report.line
        put_and_get(open_store(settings, report.profile))


@pytest.mark.parametrize("driver", [ObstoreStore, BotocoreStore])
def test_an_unknown_authority_is_refused(served, driver):
    settings = replace(served.settings("x"), ca_file="")
    profile = probe(served.settings("x")).profile
    with closing(driver(settings, profile)) as store, pytest.raises(StoreUnavailable) as caught:
        store.get("k")
    assert "certificate is refused" in str(caught.value)


def test_botocore_trusts_what_the_system_trusts(served, monkeypatch):
    """`SSL_CERT_FILE` is how the system's own tools are told."""
    profile = probe(served.settings("x")).profile
    monkeypatch.setenv("SSL_CERT_FILE", str(served.ca_file))
    put_and_get(BotocoreStore(replace(served.settings("x"), ca_file=""), profile))


def test_a_ca_file_adds_to_the_system(ca, tmp_path, monkeypatch):
    system = tmp_path / "system.pem"
    system.write_text("# the system's\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    with closing(TrustedFile(str(ca.file))) as trusted:
        text = Path(trusted.path).read_text(encoding="ascii")
    assert text.startswith("# the system's")
    assert "BEGIN CERTIFICATE" in text
    assert TrustedFile().path == str(system)
    with pytest.raises(InvalidArgument, match="ca_file"):
        TrustedFile(str(tmp_path / "missing.pem"))
