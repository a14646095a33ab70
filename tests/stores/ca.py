"""A private certificate authority and the server certificates, good and bad, that tests need."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """PEM files of a server's certificate and its key."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class TestCA:
    """An authority of its own, its files in `folder`."""

    __test__ = False

    def __init__(self, folder: Path, name: str = "Dassie test authority") -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        """What a client must trust."""
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def good(self) -> Certificate:
        """For 127.0.0.1 and localhost."""
        return self._issue("good", ["localhost", "*.localhost"], ["127.0.0.1", "::1"])

    def wrong_name(self) -> Certificate:
        """In order, but for another host."""
        return self._issue("wrong-name", ["store.example.org"], [])

    def expired(self) -> Certificate:
        """Its time was over a day ago."""
        return self._issue("expired", ["localhost"], ["127.0.0.1"], days=(-20, -1))

    def not_yet_valid(self) -> Certificate:
        """Its time begins in a day."""
        return self._issue("not-yet", ["localhost"], ["127.0.0.1"], days=(1, 20))

    def self_signed(self) -> Certificate:
        """Signed by nobody but itself."""
        return self._issue("self-signed", ["localhost"], ["127.0.0.1"], own=True)

    def own_authority(self) -> Certificate:
        """Signed by itself and marked as an authority, as `openssl req -x509` makes it."""
        return self._issue("own-authority", ["localhost"], ["127.0.0.1"], own=True, authority=True)

    def _issue(
        self,
        label: str,
        hosts: list[str],
        addresses: list[str],
        *,
        days: tuple[int, int] = (-10, 20),
        own: bool = False,
        authority: bool = False,
    ) -> Certificate:
        made = Certificate(self._folder / f"{label}.pem", self._folder / f"{label}.key")
        if made.certificate.exists():
            return made
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        now = dt.datetime.now(dt.UTC)
        issuer = key if own else self._key
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if own else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_usage(ca=authority), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),
                critical=False,
            )
            .sign(issuer, hashes.SHA256())
        )
        chain = certificate.public_bytes(serialization.Encoding.PEM)
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        made.certificate.write_bytes(chain)
        return made


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
