"""gRPC statuses → the error tree."""

from __future__ import annotations

import pytest

from dassie import errors
from dassie.client.errors import NotOffered, ServerFailure, Unreachable, scrub, translate


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NOT_FOUND", errors.NotFound),
        ("ALREADY_EXISTS", errors.AlreadyExists),
        ("INVALID_ARGUMENT", errors.InvalidArgument),
        ("FAILED_PRECONDITION", errors.FailedPrecondition),
        ("UNAVAILABLE", errors.Unavailable),
        ("DATA_LOSS", errors.DataLoss),
        ("UNIMPLEMENTED", NotOffered),
        ("UNKNOWN", ServerFailure),
        ("INTERNAL", ServerFailure),
    ],
)
def test_categories(code: str, kind: type[errors.DassieError]) -> None:
    error = translate(code, "the text", "host:1")
    assert type(error) is kind
    assert error.message == "the text"


def test_go_wrapping_is_removed() -> None:
    text = "inspect repo: rpc error: code = NotFound desc = repo default/x not found"
    assert scrub(text) == "inspect repo: repo default/x not found"


def test_nobody_there() -> None:
    details = (
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "
        "Failed to connect to remote host: Connection refused"
    )
    error = translate("UNAVAILABLE", details, "localhost:1")
    assert isinstance(error, Unreachable)
    assert "cannot reach pachd at localhost:1 (Connection refused)" in error.message
    assert "`pachd`" in error.message


def test_an_unfinished_commit_is_not_an_unreachable_server() -> None:
    error = translate("UNAVAILABLE", "commit default/a@b not finished", "localhost:1")
    assert not isinstance(error, Unreachable)


def test_a_name_that_does_not_resolve() -> None:
    details = (
        "errors resolving nohost:1: [field:hostname lookup error:address lookup failed for "
        "nohost:1: Domain name not found]"
    )
    error = translate("UNAVAILABLE", details, "nohost:1")
    assert isinstance(error, Unreachable)
    assert "cannot reach pachd at nohost:1 (nohost:1: Domain name not found)" in error.message


def test_no_answer_in_time() -> None:
    error = translate("DEADLINE_EXCEEDED", "Deadline Exceeded", "host:1")
    assert type(error) is errors.DeadlineExceeded
    assert error.message == "host:1 did not answer in the time allowed"


@pytest.mark.parametrize(
    ("last", "reason", "remedy"),
    [
        (
            (
                "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:SSL "
                "routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate verification "
                "context: OK"
            ),
            "what answers there speaks without TLS",
            "without grpcs://",
        ),
        (
            (
                "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL "
                "routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate: OK"
            ),
            "its certificate is refused: self signed certificate",
            "--server-cas",
        ),
        (
            "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got frame type 79)",
            "what answers there is no pachd",
            "say where it is",
        ),
        ("Socket closed", "the connection was closed at once", "grpcs://HOST:PORT"),
    ],
)
def test_something_else_is_there(last: str, reason: str, remedy: str) -> None:
    details = f"failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: {last}"
    error = translate("UNAVAILABLE", details, "host:1")
    assert isinstance(error, Unreachable)
    assert f"cannot reach pachd at host:1 ({reason}): " in error.message
    assert remedy in error.message
