"""How a store wants to be asked: scheme, signature, region, addressing, form of listing.

The first request lists the prefix. Its answer proves the keys, the clock, the region, the
signature, the bucket and the addressing at once, and shows what lies there; what it refuses is
answered with the next thing to try. A pinned setting is tried first; others are tried after it only
to be able to say which one works. Called by `probe.run`; writes nothing to the bucket.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from dassie.blob.probe import transport, verdict
from dassie.blob.probe.caller import Caller, Heard
from dassie.blob.probe.diagnosis import Diagnosis, Kind, Operation, setting
from dassie.blob.probe.signing import Manner, Request
from dassie.blob.settings import StorageSettings, amazon_host

DEFAULT_REGION = "us-east-1"
MOST_LISTED = 200
_LISTING_BYTES = 512 << 10

_PERHAPS_SIGNATURE = frozenset(
    {
        Kind.SIGNATURE,
        Kind.WRONG_SECRET,
        Kind.HOST_REWRITTEN,
        Kind.NOT_IMPLEMENTED,
        Kind.CHECKSUMS,
    }
)
_PERHAPS_ADDRESSING = frozenset({Kind.ADDRESSING, Kind.ENDPOINT_NAME})
_PERHAPS_VIRTUAL = frozenset({Kind.BUCKET_MISSING, Kind.UNKNOWN_HOST, Kind.TLS_WRONG_NAME})
_PERHAPS_PLAIN = frozenset({Kind.TLS_ON_PLAIN_PORT, Kind.TIMEOUT, Kind.CUT, Kind.TLS_OTHER})
_PERHAPS_TLS = frozenset({Kind.CUT, Kind.TIMEOUT, Kind.NOT_S3})


@dataclass(frozen=True, slots=True)
class Detected:
    """A manner that the store accepts, and its answer to the listing."""

    manner: Manner
    listing: Heard
    list_version: int
    notes: tuple[Diagnosis, ...] = ()


def first_manner(settings: StorageSettings) -> Manner:
    """What to begin with; ValueError for an endpoint that is none."""
    region = settings.region or DEFAULT_REGION
    endpoint = settings.endpoint or f"https://{amazon_host(region)}"
    if "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or parts.path not in {"", "/"} or parts.query:
        raise ValueError(f"{settings.endpoint!r} is not host:port, http://host or https://host")
    port = parts.port  # also checks that it is a number
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.rpartition("@")[2]
    if port == usual:
        host = host.rpartition(":")[0]
    # A name with dots is not covered by a certificate for *.host.
    own_name = not settings.endpoint and "." not in settings.bucket
    addressing = settings.addressing or ("virtual" if own_name else "path")
    return Manner(parts.scheme, host, settings.signature or "v4", region, addressing)


def random_key(settings: StorageSettings) -> str:
    """A key of the probe's own, that nobody has written."""
    return inside(settings, f"probe/{uuid.uuid4().hex}")


def inside(settings: StorageSettings, key: str) -> str:
    """`key` below the prefix."""
    return f"{settings.prefix}/{key}" if settings.prefix else key


def listing(settings: StorageSettings, version: int = 2, prefix: str | None = None) -> Request:
    """A request for the first keys of the prefix."""
    start = (f"{settings.prefix}/" if settings.prefix else "") if prefix is None else prefix
    query = (("max-keys", str(MOST_LISTED)), ("prefix", start))
    return Request("GET", query=(("list-type", "2"), *query) if version == 2 else query)


def listed_keys(body: bytes) -> list[str]:
    """Keys of a listing's answer, as far as it was read."""
    text = body.decode("utf-8", "replace")
    return re.findall(r"<Key>([^<]*)</Key>", text)


def detect(caller: Caller) -> Detected | Diagnosis:
    """Find the manner, or what stands in the way."""
    try:
        manner = first_manner(caller.settings)
    except ValueError as error:
        return Diagnosis(
            Kind.ENDPOINT_NAME,
            f"the endpoint {error!s}",
            "write endpoint=https://host:port in the storage URL",
        )
    if not caller.settings.access_key:
        return Diagnosis(
            Kind.NO_KEYS,
            f"no access key is set for {caller.settings.location}",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --storage-secret-file",
        )
    return _Detection(caller, manner).run()


class _Detection:
    """What was tried so far, and what to try next."""

    def __init__(self, caller: Caller, first: Manner) -> None:
        self._caller = caller
        self._settings = caller.settings
        self._first = first
        self._tried: list[Heard] = []
        self._version = 2

    def run(self) -> Detected | Diagnosis:
        heard = self._list(self._first)
        while heard.kind is not Kind.OK:
            step = self._next(heard)
            if isinstance(step, Diagnosis):
                return step
            heard = self._list(step)
        wrong = self._pinned_wrong(heard)
        if wrong is not None:
            return wrong
        version = 1 if b"<Marker" in heard.body and b"<KeyCount" not in heard.body else 2
        return Detected(heard.manner, heard, min(version, self._version), self._notes(heard))

    def _list(self, manner: Manner) -> Heard:
        request = listing(self._settings, self._version)
        heard = self._caller.ask(request, manner, Operation.LIST, read=_LISTING_BYTES)
        self._tried.append(heard)
        return heard

    def _next(self, heard: Heard) -> Manner | Diagnosis:
        """The next manner to try, or the diagnosis when there is none."""
        kind = heard.kind
        if kind is Kind.DENIED_LIST:
            return self._without_listing(heard)
        if heard.answer is None or kind is Kind.NOT_S3:
            scheme = self._other_scheme(heard)
            if scheme is not None:
                return scheme
        for step in (self._other_region, self._other_addressing, self._other_signature):
            manner = step(heard)
            if manner is not None:
                return manner
        if self._list_v1(heard):
            return heard.manner
        return self._conclusion(heard)

    def _other_scheme(self, heard: Heard) -> Manner | Diagnosis | None:
        manner = heard.manner
        said = "://" in self._settings.endpoint or not self._settings.endpoint
        if manner.scheme == "https" and not said and heard.kind in _PERHAPS_PLAIN:
            return replace(manner, scheme="http")
        silent = heard.answer is None and heard.kind in _PERHAPS_TLS
        if manner.scheme == "http" and silent and self._caller.speaks_tls(manner):
            if not said:
                return self._tried[0].verdict  # TLS was tried first and failed for a reason
            return Diagnosis(
                Kind.PLAIN_ON_TLS_PORT,
                f"{manner.endpoint} wants TLS, it was spoken to in plain HTTP "
                f"({heard.verdict.message})",
                "write https:// in the endpoint",
            )
        return None

    def _other_region(self, heard: Heard) -> Manner | None:
        if heard.kind is not Kind.REGION or heard.answer is None:
            return None
        tried = {old.manner.region for old in self._tried}
        region, _ = verdict.expected_region(heard.answer, heard.manner.region)
        if not region:
            region = self._location(heard.manner)
        if not region or region in tried:
            return None
        # Amazon's own endpoint is that of the region; any other place stays where it is.
        host = heard.manner.host if self._settings.endpoint else amazon_host(region)
        return replace(heard.manner, region=region, host=host)

    def _location(self, manner: Manner) -> str:
        """What the bucket says of its region; some stores tell it in any region."""
        request = Request("GET", query=(("location", ""),))
        heard = self._caller.ask(request, manner, Operation.OTHER)
        if heard.answer is None or heard.answer.status != 200:
            return ""
        return heard.answer.element("LocationConstraint")

    def _other_addressing(self, heard: Heard) -> Manner | None:
        manner = heard.manner
        doubtful = heard.kind in _PERHAPS_ADDRESSING or (
            manner.addressing == "virtual"
            and bool(self._settings.endpoint)
            and heard.kind in _PERHAPS_VIRTUAL
        )
        other = "path" if manner.addressing == "virtual" else "virtual"
        if not doubtful or any(old.manner.addressing == other for old in self._tried):
            return None
        if other == "virtual" and heard.kind is Kind.ENDPOINT_NAME:
            return None
        return replace(manner, addressing=other)

    def _other_signature(self, heard: Heard) -> Manner | None:
        answer = heard.answer
        if answer is None or any(
            old.manner.signature != heard.manner.signature for old in self._tried
        ):
            return None
        odd = answer.status in {400, 401, 403, 501} and heard.kind in {
            Kind.UNEXPLAINED,
            Kind.NOT_S3,
            Kind.REGION,
        }
        if heard.kind not in _PERHAPS_SIGNATURE and not odd:
            return None
        other = "v2" if heard.manner.signature == "v4" else "v4"
        return replace(heard.manner, signature=other)

    def _list_v1(self, heard: Heard) -> bool:
        """Whether the older form of listing is worth a try; then it is what is used from now on."""
        refused = heard.kind in {Kind.NOT_IMPLEMENTED, Kind.UNEXPLAINED}
        if self._version == 1 or not refused or heard.answer is None or not heard.answer.xml:
            return False
        self._version = 1
        return True

    def _without_listing(self, heard: Heard) -> Diagnosis:
        """Listing is denied: whether a missing key can still be told decides what is said."""
        request = Request("GET", random_key(self._settings))
        reading = self._caller.ask(request, heard.manner, Operation.READ)
        if reading.kind is Kind.MISSING_KEY:
            return heard.verdict
        return reading.verdict if reading.answer is not None else heard.verdict

    def _conclusion(self, heard: Heard) -> Diagnosis:
        """Nothing is left to try: which of the refusals says what is wrong?"""
        by_signature = {old.manner.signature: old for old in self._tried}
        other = by_signature.get("v2" if heard.manner.signature == "v4" else "v4")
        if other is None:
            pinned = self._addressing_again(heard)
            return pinned or heard.verdict
        if heard.kind not in _PERHAPS_SIGNATURE | {Kind.UNEXPLAINED, Kind.NOT_S3, Kind.REGION}:
            return heard.verdict  # the signature was accepted, something else is wrong
        for old in (other, heard):
            if old.kind is Kind.WRONG_SECRET:
                return self._wrong_secret(old, other, heard)
        if other.kind is heard.kind is Kind.SIGNATURE:
            both = f"the store refuses signatures V4 and V2 ({heard.verdict.words})"
            return replace(heard.verdict, message=both, remedy="check that it offers S3's API")
        return by_signature["v4"].verdict

    def _addressing_again(self, heard: Heard) -> Diagnosis | None:
        """After both ways of addressing failed, the first refusal is the one to show."""
        first = self._tried[0]
        if first.manner.addressing != heard.manner.addressing:
            return first.verdict
        return None

    def _wrong_secret(self, of: Heard, first: Heard, last: Heard) -> Diagnosis:
        words = [h.verdict.words for h in (first, last)]
        names = [h.manner.signature.upper() for h in (first, last)]
        said = f"{names[0]}: {words[0]}; {names[1]}: {words[1]}"
        if words[0] == words[1]:
            said = f"{' and '.join(names)}: {words[0]}"
        hint = verdict.behind_proxy(of.answer) if of.answer else ""
        rewritten = next(
            (h.verdict.message for h in (first, last) if h.kind is Kind.HOST_REWRITTEN), ""
        )
        return replace(
            of.verdict,
            message=f"the access key {self._settings.access_key!r} or its secret is wrong ({said})",
            remedy="check both" + (f"; besides, {rewritten}" if rewritten else hint),
        )

    def _refusal(self, **differs: str) -> Heard | None:
        """The first answer to a manner with these properties."""
        for heard in self._tried:
            if all(getattr(heard.manner, name) == value for name, value in differs.items()):
                return heard
        return None

    def _pinned_wrong(self, works: Heard) -> Diagnosis | None:
        """What was pinned and did not work, now that it is known what does."""
        pins, manner = self._settings, works.manner
        if pins.signature and manner.signature != pins.signature:
            return self._signature_pinned(pins.signature, manner.signature)
        if pins.region and manner.signature == "v4" and manner.region != pins.region:
            heard = self._refusal(region=pins.region)
            words = heard.verdict.words if heard else ""
            return Diagnosis(
                Kind.REGION_PINNED,
                f"region {pins.region!r} is pinned, but the store expects {manner.region!r} "
                f"({words})",
                f"set {setting('region', manner.region)}, or leave it out",
                words,
                heard.verdict.historic if heard else "",
            )
        if pins.addressing and manner.addressing != pins.addressing:
            heard = self._refusal(addressing=pins.addressing)
            said = f"{heard.verdict.message}" if heard else ""
            return Diagnosis(
                Kind.ADDRESSING_PINNED,
                f"{pins.addressing} addressing is pinned, but the store takes "
                f"{manner.addressing} addressing only ({said})",
                f"set {setting('addressing', manner.addressing)}, or leave it out",
                heard.verdict.words if heard else "",
                heard.verdict.historic if heard else "",
            )
        return None

    def _signature_pinned(self, pinned: str, works: str) -> Diagnosis:
        heard = self._refusal(signature=pinned)
        words = heard.verdict.words if heard else ""
        historic = heard.verdict.historic if heard else ""
        if pinned == "v2":
            return Diagnosis(
                Kind.V2_REFUSED,
                f"signature V2 is pinned, but the store takes V4 only ({words})",
                f"set {setting('signature', works)}, or leave it out "
                "(Pachyderm: drop --isS3V2, MINIO_SIGNATURE)",
                words,
                historic,
            )
        reason = "the store takes V2 only"
        if heard and heard.kind is Kind.HOST_REWRITTEN:
            reason = heard.verdict.message
        return Diagnosis(
            Kind.SIGNATURE_PINNED,
            f"signature V4 is pinned, but {reason} ({words})",
            f"set {setting('signature', works)}, or leave it out",
            words,
            historic,
        )

    def _notes(self, works: Heard) -> tuple[Diagnosis, ...]:
        """What was not as expected, though it was found out."""
        notes = []
        manner = works.manner
        if manner.signature == "v4" and manner.region != self._first.region:
            refused = self._refusal(region=self._first.region)
            if refused and refused.kind is Kind.REGION:
                notes.append(replace(refused.verdict, remedy="it is used; nothing need be set"))
        if manner.signature == "v2" and not self._settings.signature:
            refused = self._refusal(signature="v4")
            if refused:
                notes.append(_only_v2(refused))
        if manner.addressing != self._first.addressing:
            notes.append(
                Diagnosis(
                    Kind.ADDRESSING,
                    f"the store takes {manner.addressing} addressing",
                    "it is used; nothing need be set",
                )
            )
        if self._caller.leaf_is_ca() and not self._settings.insecure:
            notes.append(transport.authority_as_server(manner.endpoint))
        return tuple(notes)


def _only_v2(refused: Heard) -> Diagnosis:
    """V4 was refused and V2 accepted with the same keys."""
    if refused.kind is Kind.HOST_REWRITTEN:
        return replace(refused.verdict, historic="")
    return Diagnosis(
        Kind.SIGNATURE,
        f"V4 refused ({refused.verdict.words}), V2 accepted with the same keys: the store takes V2 "
        "only, or a proxy in front of it rewrites the Host header",
        "V2 is used; it signs no body, so prefer https",
        refused.verdict.words,
    )
