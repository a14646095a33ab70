"""Which error an answer is, what the exceptions of obstore are read as, and orders of listings."""

import json
import random
from pathlib import Path

import pytest

from dassie.blob.answers import parse
from dassie.blob.api import BlobInfo, BlobNotFound
from dassie.blob.drivers.faults import Doing, refusal
from dassie.blob.drivers.listing import arranged, start_below, start_within
from dassie.blob.drivers.obstore_words import (
    answer_of,
    certificate_fault,
    token_fault,
    transport_words,
)
from dassie.blob.errors import (
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreRefused,
    StoreThrottled,
    StoreUnavailable,
)

RECORDED = Path(__file__).parent / "probe" / "answers"
GET = Doing("get", "pack/1", "s3://bucket at http://store:9000")
PUT = Doing("put", "pack/1", "s3://bucket at http://store:9000")

BY_CODE = {
    "AccessDenied": StoreDenied,
    "AuthorizationHeaderMalformed": StoreRefused,
    "BadDigest": StoreUnavailable,
    "InternalError": StoreUnavailable,
    "InvalidAccessKeyId": StoreDenied,
    "NoSuchBucket": BucketMissing,
    "NoSuchKey": BlobNotFound,
    "NoSuchUpload": StoreUnavailable,
    "NotImplemented": StoreRefused,
    "QuotaExceeded": StoreFull,
    "RequestTimeTooSkewed": StoreUnavailable,
    "SignatureDoesNotMatch": StoreDenied,
    "UnsupportedAlgorithm": StoreRefused,
    "XAmzContentSHA256Mismatch": StoreUnavailable,
}


def test_recorded_answers_of_real_stores():
    seen = set()
    for path in sorted(RECORDED.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            answer = parse(record["status"], record["headers"], record["body"])
            if answer.code not in BY_CODE:
                continue
            seen.add(answer.code)
            error = refusal(answer, GET)
            late = answer.code == "AccessDenied" and "request time" in answer.message
            assert type(error) is (StoreUnavailable if late else BY_CODE[answer.code]), record
            if not isinstance(error, BlobNotFound):
                assert answer.code in str(error)
                assert answer.message in str(error)
                assert str(error).startswith("get object 'pack/1' at s3://bucket at http://store")
    assert seen == BY_CODE.keys()


def xml(code, message="", **more):
    rest = "".join(f"<{name}>{text}</{name}>" for name, text in more.items())
    return (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{rest}</Error>"
    )


ANSWERS = [
    (503, {"Retry-After": "7"}, xml("SlowDown", "slow"), StoreThrottled, "503 SlowDown: slow"),
    (429, {}, "", StoreThrottled, "429"),
    (503, {}, "<html><body>no backend</body></html>", StoreThrottled, "503: no backend"),
    (507, {}, "", StoreFull, "507"),
    (403, {}, xml("XMinioStorageFull", "full"), StoreFull, "XMinioStorageFull: full"),
    (502, {}, "<html><h1>Bad Gateway</h1></html>", StoreUnavailable, "502: Bad Gateway"),
    (400, {}, xml("RequestTimeout", "idle"), StoreUnavailable, "RequestTimeout"),
    (400, {}, xml("ExpiredToken", "old"), StoreDenied, "ExpiredToken: old"),
    (401, {}, "", StoreDenied, "401"),
    (403, {}, "SSL required", StoreRefused, "SSL required; write https://"),
    (403, {"Date": "Sun, 22 Nov 2026 14:43:12 GMT"}, xml("RequestTimeTooSkewed", "late"),
     StoreUnavailable, r"its clock says 2026-11-22 14:43:12 UTC\): set both by NTP"),
    (400, {}, xml("AuthorizationHeaderMalformed", "wrong", Region="z1-a"), StoreRefused,
     "wrong .the store's region is 'z1-a'"),
    (301, {"x-amz-bucket-region": "eu"}, xml("PermanentRedirect", "go"), StoreRefused, "is 'eu'"),
    (413, {}, "<html>too large</html>", StoreRefused, "413: too large; raise the limit"),
    (501, {}, xml("NotImplemented", "no"), StoreRefused, "501 NotImplemented"),
    (404, {}, "", BlobNotFound, "pack/1"),
    (404, {}, "404 page not found", StoreUnavailable, "not an object store's answer"),
    (404, {"x-ms-error-code": "BlobNotFound"}, "", BlobNotFound, "pack/1"),
    (404, {"x-ms-error-code": "ContainerNotFound"}, "", BucketMissing, "ContainerNotFound"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "body", "kind", "words"), ANSWERS)
def test_answers(status, headers, body, kind, words):
    error = refusal(parse(status, headers, body), GET)
    assert type(error) is kind
    with pytest.raises(kind, match=words):
        raise error


def test_a_write_is_never_answered_by_not_found():
    """A 404 to a PUT, whatever it is, must not look like an object that is not there."""
    assert isinstance(refusal(parse(404, {}, ""), PUT), StoreUnavailable)
    assert isinstance(refusal(parse(404, {}, xml("NoSuchKey")), PUT), StoreRefused)


def test_retry_after():
    assert refusal(parse(503, {"Retry-After": "7"}, xml("SlowDown")), GET).retry_after_s == 7.0
    dates = {
        "Retry-After": "Sun, 22 Nov 2026 14:43:42 GMT",
        "Date": "Sun, 22 Nov 2026 14:43:12 GMT",
    }
    assert parse(503, dates).retry_after_s == 30.0
    assert parse(503, {"Retry-After": "soon"}).retry_after_s is None


REFUSED = """Generic S3 error: Error performing PUT http://h:1/b/k in 44.01ms - Server returned \
non-2xx status code: 503 Service Unavailable: <?xml version='1.0'?>
<Error><Code>SlowDown</Code><Message>slow &amp; down</Message></Error>

Debug source:
Generic {
    store: "S3",
}"""
NO_ANSWER = """Generic S3 error: Error performing GET http://h:1/b/k in 402.5µs - HTTP error: \
error sending request

Debug source:
Generic {
    source: RetryError(
            inner: Http(
                HttpError {
                    kind: %s,
                    source: reqwest::Error {
                        source: hyper_util::client::legacy::Error(
                            Connect,
                            %s
"""


def test_obstore_tells_the_answer():
    answer = answer_of(REFUSED)
    assert (answer.status, answer.code, answer.message) == (503, "SlowDown", "slow & down")
    empty = answer_of(REFUSED[: REFUSED.index("<?xml")] + "No Body\n\nDebug source:\n")
    assert (empty.status, empty.code, empty.message) == (503, "", "")
    assert answer_of(NO_ANSWER) is None


def test_azure_says_that_there_was_nothing_to_delete():
    text = (
        "Object at location p/a not found: Bulk delete request failed for key p/a: %s (code: 404)"
    )
    blob = answer_of(text % "The specified blob does not exist.")
    assert isinstance(refusal(blob, Doing("delete", "a", "az://lab")), BlobNotFound)
    container = answer_of(text % "The specified container does not exist.")
    assert isinstance(refusal(container, Doing("delete", "a", "az://lab")), StoreUnavailable)


def test_obstore_tells_why_there_is_none():
    refused = NO_ANSWER % ("Connect", 'ConnectError("tcp connect error", message: "refused")')
    assert "refused" in transport_words(refused)
    assert transport_words(NO_ANSWER % ("Timeout", "TimedOut")) == "no answer in time"
    untrusted = NO_ANSWER % ("Connect", "InvalidCertificate(\n   UnknownIssuer,\n)")
    assert certificate_fault(untrusted) == "UnknownIssuer"
    assert "ca_file" in transport_words(untrusted)


def test_obstore_tells_that_it_has_no_token():
    text = (
        "Generic GCS error: Error performing token request: Error performing GET "
        "http://169.254.169.254/token in 1.3ms - Server returned non-2xx status code: "
        "403 Forbidden: no\n\nDebug source:\nGeneric {"
    )
    assert token_fault(text).endswith("403 Forbidden: no")
    assert token_fault(NO_ANSWER % ("Timeout", "TimedOut")) == ""


def by_folder(keys):
    """The order of a store over a tree of folders."""
    return sorted(keys, key=lambda key: key.split("/"))


def listed(keys, prefix, start):
    """What such a store lists under a prefix; after `start` means also: after its folder."""
    for key in keys:
        below = start and key.startswith(start + "/")
        if key.startswith(prefix) and key.split("/") > start.split("/") and not below:
            yield BlobInfo(key, 1, 1.0)


@pytest.mark.parametrize("order", [sorted, by_folder])
@pytest.mark.parametrize("sort", [False, True])
def test_listings_come_in_order(order, sort):
    chance = random.Random(9)
    letters = "ab01-._z"
    for _ in range(1500):
        keys = set()
        for _ in range(12):
            depth = chance.randrange(1, 4)
            names = [
                "".join(chance.choices(letters, k=chance.randrange(1, 4))) for _ in range(depth)
            ]
            key = "/".join(name.replace(".", "a") if name[0] == "." else name for name in names)
            keys.add(key)
        prefix = chance.choice(["", "a", "a/", "a-", "b/0", "z."])
        after = chance.choice(["", "a", "a-b", "a/b", "b", *keys])
        start = start_below(after)
        assert start <= after
        given = listed(order(keys), prefix, start) if order is by_folder else (
            BlobInfo(key, 1, 1.0) for key in sorted(keys) if key > start
        )  # fmt: skip
        found = [info.key for info in arranged(given, prefix, after, sort=sort)]
        expected = sorted(key for key in keys if key.startswith(prefix) and key > after)
        assert sorted(found) == expected, (keys, prefix, after)
        if sort or order is sorted:
            assert found == expected


def test_a_start_is_close():
    assert start_below("pack/01ff") == "pack/01fezzzz"
    assert start_below("journal/000120") == "journal/00012"
    assert start_below("pack/a") == start_below("pack/-") == "pacjzzzz"
    assert start_below("") == start_below("-x") == ""


def test_a_start_lies_within_its_prefix():
    """Garage lists nothing when it is to start before the prefix."""
    assert start_within("pack/", "pack/01ff") == "pack/01fezzzz"
    assert start_within("", "pack/01ff") == "pack/01fezzzz"
    for outside in ("a", "pack", "pack/", "pack/a", "zz", ""):
        assert start_within("pack/", outside) == ""
