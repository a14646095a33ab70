"""What can be told of a server's certificate that was not accepted, for the line that says so.

Looks without trusting; nothing is sent after the greeting. Called by `probe.http`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
from dataclasses import dataclass

# X509_V_FLAG_NO_CHECK_TIME: not among the names that the ssl module gives.
_ANY_TIME = 0x200000
# basicConstraints (2.5.29.19), perhaps critical, whose first element is CA:TRUE.
_AUTHORITY = re.compile(rb"\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04.\x30.\x01\x01\xff", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Seen:
    """A certificate that was shown; empty texts where it could not be read."""

    sha256: str
    names: tuple[str, ...] = ()
    valid_until: str = ""
    authority: bool = False


def is_authority(der: bytes) -> bool:
    """Whether the certificate says of itself that it is one of an authority (CA:TRUE)."""
    return _AUTHORITY.search(der) is not None


def greet(plain: socket.socket, name: str) -> ssl.SSLSocket:
    """Shake hands with whoever answers. Only for looking: nothing may be sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=name)


def look(plain: socket.socket, name: str, ca_file: str) -> Seen:
    """The certificate that is shown on this connection; raises OSError."""
    address = plain.getpeername()
    timeout = plain.gettimeout()
    with greet(plain, name) as sock:
        der = sock.getpeercert(binary_form=True) or b""
    details: dict[str, object] = {}
    with contextlib.suppress(OSError):
        details = _details(der, ca_file, address, timeout)
    names = details.get("subjectAltName") or ()
    return Seen(
        sha256=hashlib.sha256(der).hexdigest(),
        names=tuple(str(value) for _, value in names) if isinstance(names, tuple) else (),
        valid_until=str(details.get("notAfter", "")),
        authority=is_authority(der),
    )


def _details(
    der: bytes, ca_file: str, address: tuple[object, ...], timeout: float | None
) -> dict[str, object]:
    """Its fields: the ssl module reads them only of a certificate that it has verified, so this one
    is verified against itself and the trusted ones, whatever its name and dates."""
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(der))
    if ca_file:
        context.load_verify_locations(ca_file)
    context.check_hostname = False
    context.verify_flags = ssl.VerifyFlags(
        context.verify_flags | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _ANY_TIME
    )
    with (
        socket.create_connection((str(address[0]), int(str(address[1]))), timeout) as plain,
        context.wrap_socket(plain) as sock,
    ):
        return dict(sock.getpeercert() or {})
