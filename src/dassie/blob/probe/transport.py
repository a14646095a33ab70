"""From an exchange that brought no answer to a diagnosis. Pure. Called by `probe.detect`."""

from __future__ import annotations

from dassie.blob.probe.certificates import Seen
from dassie.blob.probe.diagnosis import Asked, Diagnosis, Kind, Operation, setting
from dassie.blob.probe.http import Failure, Trouble

_TRUST = f"add the CA that signed it: {setting('ca_file', 'FILE.pem')}"


def diagnose(failure: Failure, asked: Asked) -> Diagnosis:
    """What `failure` means."""
    virtual = asked.addressing == "virtual" and asked.host
    where = asked.host if virtual else asked.endpoint
    detail = f" ({failure.detail})" if failure.detail else ""
    if failure.trouble in _CERTIFICATE:
        return _certificate(failure, where)
    if failure.trouble is Trouble.TIMEOUT:
        return _timeout(failure, asked, where)
    if failure.trouble is Trouble.CUT and failure.sent and asked.operation is Operation.WRITE:
        return Diagnosis(
            Kind.BODY_LIMIT,
            f"{where} cut the connection after {failure.sent} of {asked.body_bytes} bytes{detail}",
            "look for a proxy's limit on bodies, or at the store's log",
        )
    kind, message, remedy = _PLAIN[failure.trouble]
    return Diagnosis(kind, message.format(where=where) + detail, remedy)


_PLAIN: dict[Trouble, tuple[Kind, str, str]] = {
    Trouble.UNKNOWN_HOST: (
        Kind.UNKNOWN_HOST,
        "the host name of {where} is not known",
        "check the endpoint's spelling and this machine's DNS",
    ),
    Trouble.REFUSED: (
        Kind.REFUSED,
        "nothing listens at {where}: connection refused",
        "check the endpoint's port, and that the store runs",
    ),
    Trouble.UNREACHABLE: (
        Kind.UNREACHABLE,
        "{where} cannot be reached",
        "check the network, routes and firewalls between here and the store",
    ),
    Trouble.CUT: (
        Kind.CUT,
        "{where} closed the connection without an answer",
        "check that the endpoint is the S3 port; look at the store's log",
    ),
    Trouble.NOT_TLS: (
        Kind.TLS_ON_PLAIN_PORT,
        "{where} answers plain HTTP, not TLS",
        "write http:// in the endpoint, or give the port that speaks TLS",
    ),
    Trouble.WANTS_TLS: (
        Kind.PLAIN_ON_TLS_PORT,
        "{where} wants TLS, it was spoken to in plain HTTP",
        "write https:// in the endpoint",
    ),
    Trouble.NOT_HTTP: (
        Kind.NOT_S3,
        "what listens at {where} does not speak HTTP",
        "check the endpoint's port",
    ),
    Trouble.TLS: (
        Kind.TLS_OTHER,
        "no secure connection to {where}",
        "check the store's TLS settings and the file of --storage-ca-file",
    ),
}
_CERTIFICATE = {Trouble.UNTRUSTED, Trouble.EXPIRED, Trouble.WRONG_NAME}


def _timeout(failure: Failure, asked: Asked, where: str) -> Diagnosis:
    if asked.operation in {Operation.WRITE, Operation.UPLOAD}:
        return Diagnosis(
            Kind.WRITE_TIMEOUT,
            f"reads work at {where} but a write of {asked.body_bytes} bytes was not answered "
            f"within {failure.seconds:.0f} s",
            "the store is full or degraded (look at its health), or the network is very slow: "
            "--storage-request-timeout",
        )
    return Diagnosis(
        Kind.TIMEOUT,
        f"{where} did not answer within {failure.seconds:.0f} s ({failure.detail})",
        "check the endpoint, firewalls between here and the store, and the store's health",
    )


def _certificate(failure: Failure, where: str) -> Diagnosis:
    seen = failure.certificate or Seen("")
    mark = f", sha256 {seen.sha256}" if seen.sha256 else ""
    if failure.trouble is Trouble.EXPIRED:
        until = f", valid until {seen.valid_until}" if seen.valid_until else ""
        return Diagnosis(
            Kind.TLS_EXPIRED,
            f"the certificate of {where} is not valid now: {failure.detail}{until}{mark}",
            "renew the store's certificate, or set this machine's clock",
        )
    if failure.trouble is Trouble.WRONG_NAME:
        names = f" (it is for {', '.join(seen.names)})" if seen.names else ""
        return Diagnosis(
            Kind.TLS_WRONG_NAME,
            f"the certificate of {where} is for another name{names}: {failure.detail}{mark}",
            "use one of its names in the endpoint, or give the store a certificate for this one",
        )
    return Diagnosis(
        Kind.TLS_UNKNOWN_CA,
        f"the certificate of {where} is not trusted: {failure.detail}{mark}",
        _TRUST,
    )


def authority_as_server(where: str) -> Diagnosis:
    """A server certificate that is marked CA:TRUE: trusted, and still refused by some libraries."""
    return Diagnosis(
        Kind.TLS_AUTHORITY,
        f"the certificate of {where} is that of an authority (CA:TRUE) used as a server's own: "
        "the faster driver's TLS library refuses it",
        "issue a server certificate signed by it (CA:FALSE), and keep it in "
        f"{setting('ca_file', 'FILE.pem')}",
    )
