"""From one answer of a store to a diagnosis. Pure: the same answer, the same verdict.

The order of the questions matters: what is most telling comes first (a wrong clock spoils
signatures, a wrong region too). Called by `probe.detect` and `probe.writing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from dassie.blob.answers import Answer
from dassie.blob.probe import wording
from dassie.blob.probe.diagnosis import (
    Asked,
    Diagnosis,
    Kind,
    Operation,
    historic_sentence,
    setting,
)

_TOLERATED_S = 300
_SURELY_SKEWED_S = 900
"""What S3 tolerates; beyond it, a refusal of any name is put down to the clock."""


def diagnose(answer: Answer, asked: Asked) -> Diagnosis:
    """What `answer` means to one who asked so."""
    for question in _QUESTIONS:
        found = question(answer, asked)
        if found is not None:
            break
    else:
        found = _unexplained(answer, asked)
    found = replace(found, words=answer.words(), retry_after_s=answer.retry_after_s)
    if not found.healthy and asked.operation in {Operation.READ, Operation.LIST}:
        said = answer.message or answer.code or str(answer.status)
        return replace(found, historic=historic_sentence(said))
    return found


def expected_region(answer: Answer, refused: str) -> tuple[str, str]:
    """The region that a refusal asks for, and where it says so; empty where it does not.

    One that equals the region just refused is no answer: MinIO's messages name that one.
    """
    said = wording.EXPECTING.search(answer.message)
    for region, place in (
        (answer.element("Region"), "<Region>"),
        (answer.headers.get("x-amz-bucket-region", ""), "x-amz-bucket-region"),
        (said.group(1) if said else "", "its message"),
    ):
        if region and region != refused:
            return region, place
    return "", ""


def behind_proxy(answer: Answer) -> str:
    """A hint for signatures that fail, where a proxy answered; else empty."""
    if not wording.PROXIES.search(answer.server):
        return ""
    return f", and that the proxy in front ({answer.server}) passes the Host header on unchanged"


def host_seen(answer: Answer) -> str:
    """The header Host as it reached the store, where a refusal quotes what was signed."""
    found = re.search(r"^host:(.*)$", answer.element("CanonicalRequest"), re.MULTILINE)
    return found.group(1).strip() if found else ""


def _succeeded(answer: Answer, asked: Asked) -> Diagnosis | None:
    if not 200 <= answer.status < 300:
        return None
    if asked.operation is Operation.LIST:
        return _listed(answer, asked)
    return Diagnosis(Kind.OK, "accepted")


def _listed(answer: Answer, asked: Asked) -> Diagnosis:
    if "ListBucketResult" in answer.body:
        return Diagnosis(Kind.OK, "accepted")
    if "ListAllMyBucketsResult" in answer.body:
        return Diagnosis(
            Kind.ADDRESSING,
            f"the store listed its buckets instead of {asked.bucket!r}: it does not take "
            f"the bucket's name from the host name",
            f"set {setting('addressing', 'path')}",
        )
    return _not_s3(answer, asked)


def _healthy(answer: Answer, asked: Asked) -> Diagnosis | None:
    if answer.status == 404 and answer.code == "NoSuchUpload":
        return Diagnosis(Kind.MISSING_UPLOAD, "a missing upload is told")
    if answer.status == 412 and (answer.xml or asked.operation is Operation.WRITE):
        return Diagnosis(Kind.KEY_EXISTS, "a key that exists is told")
    if answer.status == 416:
        return Diagnosis(Kind.BAD_RANGE, "a range outside is told")
    if answer.status == 404 and answer.code in {"NoSuchKey", "NoSuchVersion"}:
        if asked.operation is Operation.LIST:
            return Diagnosis(
                Kind.ADDRESSING,
                f"the store took the bucket's name {asked.bucket!r} for a key "
                f"({answer.words()}): the endpoint's host name holds a bucket already",
                "remove the bucket's name from the endpoint, or set "
                + setting("addressing", "virtual"),
            )
        return Diagnosis(Kind.MISSING_KEY, "a missing key is told")
    return None


def _wrong_scheme(answer: Answer, asked: Asked) -> Diagnosis | None:
    location = answer.headers.get("location", "")
    to_tls = (
        300 <= answer.status < 400
        and not answer.xml
        and asked.endpoint.startswith("http:")
        and location.startswith("https:")
        and urlsplit(location).hostname == urlsplit(asked.endpoint).hostname
    )
    text = answer.message
    if to_tls or (
        answer.status in {400, 403, 497}
        and not answer.xml
        and (
            "SSL required" in text
            or re.search(r"HTTP request .*(to|on) an? HTTPS (server|port)", text)
            or "HTTP request was sent to HTTPS" in text
        )
    ):
        said = answer.words() if text else f"it redirects to {location}"
        return Diagnosis(
            Kind.PLAIN_ON_TLS_PORT,
            f"{asked.endpoint} wants TLS, it was spoken to in plain HTTP ({said})",
            "write https:// in the endpoint",
        )
    return None


def _clock(answer: Answer, asked: Asked) -> Diagnosis | None:
    said = answer.code == "RequestTimeTooSkewed" or (
        answer.status in {400, 401, 403} and bool(wording.SPEAKS_OF_CLOCK.search(answer.message))
    )
    # A definite refusal of another name is believed, as far as a clock may be off.
    named = answer.code not in {"", "AccessDenied", "InvalidRequest", "InvalidArgument"}
    limit = _SURELY_SKEWED_S if named else _TOLERATED_S
    off = asked.skew_s if asked.skew_s is not None else 0.0
    doubtful = answer.status in {400, 401, 403} and asked.signed
    doubtful = doubtful and answer.code not in wording.NOT_THE_CLOCK
    measured = doubtful and abs(off) > limit and not _region_refused(answer, asked)
    if not (said or measured):
        return None
    amount = "by its answer, clocks differ"
    if abs(off) >= 1:
        amount = f"the store's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} ours"
    return Diagnosis(
        Kind.CLOCK,
        f"the store refused the request's time ({answer.words()}): {amount}",
        "set the clock (NTP) of this machine or of the store",
    )


def _region_refused(answer: Answer, asked: Asked) -> bool:
    if asked.signature != "v4" or answer.status not in {301, 307, 400, 403}:
        return False
    if answer.code == "AuthorizationHeaderMalformed" or answer.code in wording.REGION_CODES:
        return True
    # A HEAD brings no words; the header may still tell.
    told = answer.headers.get("x-amz-bucket-region", "")
    if asked.operation is Operation.HEAD:
        return answer.status in {301, 400} and bool(told) and told != asked.region
    return answer.status == 400 and "region" in answer.message.lower()


def _region(answer: Answer, asked: Asked) -> Diagnosis | None:
    if not _region_refused(answer, asked):
        return None
    region, place = expected_region(answer, asked.region)
    if not region:
        return Diagnosis(
            Kind.REGION,
            f"the store refuses region {asked.region!r} and does not say which it is in "
            f"({answer.words()})",
            f"ask its operator, and set {setting('region', 'NAME')}",
        )
    return Diagnosis(
        Kind.REGION,
        f"the store is in region {region!r} (it says so in {place}), not {asked.region!r} "
        f"({answer.words()})",
        f"set {setting('region', region)}",
    )


def _who(answer: Answer, asked: Asked) -> Diagnosis | None:
    words = answer.words()
    # Some say it in words only, under a code that elsewhere means a missing right.
    text = answer.message if answer.status in {401, 403} else ""
    if answer.code in wording.UNKNOWN_KEY_CODES or wording.NO_SUCH_KEY.search(text):
        return Diagnosis(
            Kind.UNKNOWN_KEY,
            f"the store does not know the access key {asked.access_key!r} ({words})",
            "check the access key, and that it belongs to this store",
        )
    if answer.code in wording.TOKEN_CODES:
        return Diagnosis(
            Kind.TOKEN_EXPIRED,
            f"the store refuses the session token ({words})",
            "fetch new temporary credentials, or use permanent ones without a session token",
        )
    if answer.code in wording.LOCKED_CODES:
        return Diagnosis(
            Kind.USER_LOCKED,
            f"the store has locked the user of the access key {asked.access_key!r} ({words})",
            "have the user unlocked there, or take the keys of another",
        )
    if answer.code != "SignatureDoesNotMatch" and not wording.BAD_SIGNATURE.search(text):
        return None
    seen = host_seen(answer)
    if asked.signature == "v4" and asked.host and seen and seen != asked.host:
        return Diagnosis(
            Kind.HOST_REWRITTEN,
            f"a proxy rewrites the Host header (the store saw {seen!r}, {asked.host!r} was sent), "
            f"which breaks signature V4 ({words})",
            "let the proxy pass it on (nginx: proxy_set_header Host $http_host)",
        )
    return Diagnosis(
        Kind.WRONG_SECRET,
        f"the access key {asked.access_key!r} or its secret is wrong "
        f"({asked.signature.upper()}: {words})",
        "check both" + behind_proxy(answer),
    )


def _signature(answer: Answer, asked: Asked) -> Diagnosis | None:
    refused = answer.code in {"UnsupportedAlgorithm", "UnsupportedSignature"} or (
        answer.status in {400, 401, 403, 501}
        and bool(wording.OTHER_SIGNATURE.search(answer.message))
    )
    if not refused:
        return None
    used = asked.signature.upper() if asked.signed else "no signature"
    other = "v2" if asked.signature == "v4" else "v4"
    return Diagnosis(
        Kind.SIGNATURE,
        f"the store refuses signature {used} ({answer.words()})",
        f"set {setting('signature', other)}",
    )


def _bucket(answer: Answer, asked: Asked) -> Diagnosis | None:
    if answer.code == "InvalidBucketName":
        return Diagnosis(
            Kind.BUCKET_MISSING,
            f"to this store {asked.bucket!r} is no name of a bucket ({answer.words()})",
            "correct it in the storage URL",
        )
    if answer.code != "NoSuchBucket":
        return None
    return Diagnosis(
        Kind.BUCKET_MISSING,
        f"keys, clock and signature are accepted, but the bucket {asked.bucket!r} does not exist "
        f"({answer.words()})",
        "create it, or correct its name in the storage URL",
    )


def _addressing(answer: Answer, asked: Asked) -> Diagnosis | None:
    if answer.code in wording.ADDRESSING_CODES or "virtual host" in answer.message.lower():
        other = "virtual" if asked.addressing == "path" else "path"
        return Diagnosis(
            Kind.ADDRESSING,
            f"the store refuses {asked.addressing} addressing ({answer.words()})",
            f"set {setting('addressing', other)}",
        )
    if answer.code == "InvalidURI":
        return Diagnosis(
            Kind.ENDPOINT_NAME,
            f"the store does not go by the name {asked.host!r} ({answer.words()})",
            "use the host name that the store is configured with in the endpoint",
        )
    return None


def _room(answer: Answer, _: Asked) -> Diagnosis | None:
    text = f"{answer.code} {answer.message}"
    if answer.status != 507 and not (answer.status >= 400 and wording.SPEAKS_OF_ROOM.search(text)):
        return None
    return Diagnosis(
        Kind.FULL,
        f"unable to write to object storage: full or over its quota ({answer.words()})",
        "raise the quota of the bucket or the user, or add room to the store",
    )


def _body(answer: Answer, asked: Asked) -> Diagnosis | None:
    if answer.status != 413 and answer.code != "EntityTooLarge":
        return None
    server = f", server {answer.server!r}" if answer.server else ""
    return Diagnosis(
        Kind.BODY_LIMIT,
        f"a body of {asked.body_bytes} bytes is refused ({answer.words()}{server})",
        "raise the limit of the proxy in front of the store "
        "(nginx: client_max_body_size) above --storage-part-size",
    )


def _checksums(answer: Answer, _: Asked) -> Diagnosis | None:
    text = answer.message.lower()
    if answer.status in {400, 411} and (
        answer.code == "MissingContentMD5"
        or ("md5" in text and ("missing" in text or "required" in text))
    ):
        return Diagnosis(
            Kind.MD5_WANTED,
            f"the store wants Content-MD5 ({answer.words()})",
            f"set {setting('checksums', 'md5')}",
        )
    told = "checksum" in text or "trailer" in text or "aws-chunked" in text
    if answer.code not in wording.CHECKSUM_CODES and not (told and answer.status in {400, 501}):
        return None
    return Diagnosis(
        Kind.CHECKSUMS,
        f"the store rejects the request's checksums ({answer.words()})",
        f"set {setting('checksums', 'when_required')}; if it is set so, "
        "bytes change on the way: look at proxies",
    )


def _busy(answer: Answer, asked: Asked) -> Diagnosis | None:
    where = asked.endpoint or "the store"
    if answer.status == 429 or answer.code in wording.THROTTLE_CODES:
        return Diagnosis(
            Kind.THROTTLED,
            f"{where} wants fewer requests ({answer.words()})",
            "wait; if it lasts, lower --storage-concurrency or raise the store's limits",
        )
    if answer.status < 500 or answer.status == 501:
        return None
    if answer.status in {502, 503, 504} and not answer.xml:
        behind = f"the proxy {answer.server!r}" if answer.server else "a proxy"
        return Diagnosis(
            Kind.STORE,
            f"{behind} at {where} gets no answer from the store behind it ({answer.words()})",
            "check that the store runs, and where the proxy looks for it",
        )
    doing = "unable to write to object storage" if _writes(asked) else f"{where} failed"
    hint = "look at its log and its free room" if _writes(asked) else "look at its log"
    return Diagnosis(Kind.STORE, f"{doing} ({answer.words()})", hint)


def _writes(asked: Asked) -> bool:
    return asked.operation in {Operation.WRITE, Operation.UPLOAD}


_DENIED = {
    Operation.LIST: (Kind.DENIED_LIST, "listing the bucket", "s3:ListBucket"),
    Operation.WRITE: (Kind.DENIED_WRITE, "writing", "s3:PutObject"),
    Operation.UPLOAD: (Kind.DENIED_WRITE, "a multipart upload", "s3:PutObject"),
    Operation.DELETE: (Kind.DENIED_DELETE, "deleting", "s3:DeleteObject"),
}
_WRITING = {Operation.WRITE, Operation.UPLOAD, Operation.DELETE}


def _read_only(answer: Answer, asked: Asked) -> Diagnosis | None:
    if asked.operation not in _WRITING:
        return None
    text = f"{answer.code} {answer.message}"
    if answer.status < 400 or not (answer.status == 405 or wording.READ_ONLY.search(text)):
        return None
    return Diagnosis(
        Kind.READ_ONLY,
        f"the store is read-only: {asked.operation} is refused ({answer.words()})",
        "point --storage at the writable store (not a replica, mirror or snapshot)",
    )


def _denied(answer: Answer, asked: Asked) -> Diagnosis | None:
    named = answer.code in {"AccessDenied", "Forbidden"}
    silent = answer.status in {401, 403} and not answer.code and not answer.message
    # Without a word, only where reads were understood before can it be put down to rights.
    silent = silent and (not asked.signed or asked.operation in _WRITING)
    if not (named and answer.status in {400, 401, 403, 405}) and not silent:
        return None
    if not asked.signed:
        return Diagnosis(
            Kind.NO_KEYS,
            f"the store does not answer without an access key ({answer.words()})",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --storage-secret-file",
        )
    if asked.operation in _DENIED:
        kind, doing, right = _DENIED[asked.operation]
        return Diagnosis(
            kind,
            f"the keys are accepted but {doing} is denied ({answer.words()})",
            f"grant {right} on {asked.bucket!r} to {asked.access_key!r}",
        )
    return Diagnosis(
        Kind.DENIED_READ,
        f"the keys are accepted but reading a missing key is denied ({answer.words()})",
        f"grant s3:GetObject and s3:ListBucket on {asked.bucket!r} to {asked.access_key!r}: "
        "without the latter a missing key cannot be told from a forbidden one",
    )


def _elsewhere(answer: Answer, asked: Asked) -> Diagnosis | None:
    if asked.operation is Operation.HEAD and answer.status == 404:
        return Diagnosis(
            Kind.NOT_FOUND,
            f"the key or the bucket is missing, a HEAD does not say which ({answer.words()})",
        )
    if answer.xml:
        return None
    if 300 <= answer.status < 400:
        location = answer.headers.get("location", "elsewhere")
        return Diagnosis(
            Kind.MOVED,
            f"{asked.endpoint} is not the store: it redirects to {location} ({answer.words()})",
            "set the endpoint to the store's own address",
        )
    if asked.operation is Operation.HEAD or (answer.status == 501 and not answer.message):
        return None
    return _not_s3(answer, asked)


def _not_s3(answer: Answer, asked: Asked) -> Diagnosis:
    what = "a web page" if "<html" in answer.body.lower() else "something else"
    server = f", server {answer.server!r}" if answer.server else ""
    return Diagnosis(
        Kind.NOT_S3,
        f"{asked.endpoint} answers {what}, not S3 ({answer.words()[:160]}{server})",
        "check the endpoint's host and port: a proxy, a console or another service is there",
    )


def _missing(answer: Answer, asked: Asked) -> Diagnosis | None:
    if answer.code == "NotImplemented" or answer.status == 501:
        return Diagnosis(
            Kind.NOT_IMPLEMENTED,
            f"the store has no {asked.operation} of this form ({answer.words()})",
        )
    return None


def _unexplained(answer: Answer, asked: Asked) -> Diagnosis:
    return Diagnosis(
        Kind.UNEXPLAINED,
        f"the store refused to {asked.operation} ({answer.words()})",
        "look at the store's log for this request",
    )


_QUESTIONS: tuple[Callable[[Answer, Asked], Diagnosis | None], ...] = (
    _succeeded,
    _healthy,
    _wrong_scheme,
    _clock,
    _region,
    _who,
    _signature,
    _bucket,
    _addressing,
    _room,
    _body,
    _checksums,
    _read_only,
    _busy,
    _denied,
    _missing,
    _elsewhere,
)
