"""How the probe finds out what a store wants, on scripted stores: region, signature, addressing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dassie.base.clock import SystemClock
from dassie.blob.answers import parse
from dassie.blob.probe import http
from dassie.blob.probe.caller import MOST_REQUESTS, Heard
from dassie.blob.probe.detect import Detected, detect
from dassie.blob.probe.diagnosis import Asked, Kind, Operation
from dassie.blob.probe.report import Report
from dassie.blob.probe.run import StoreProbe, confirm, probe
from dassie.blob.probe.signing import Manner, Request
from dassie.blob.probe.verdict import diagnose
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings
from tests.blob.probe.scripted import BUCKET, Call, Said, ScriptedStore, page, refusal

HEALTHY_REQUESTS = 8
MALFORMED = "AuthorizationHeaderMalformed"


def no_pause(_: float) -> None:
    pass


def look(settings: StorageSettings) -> Report:
    return probe(settings, pause=no_pause)


def kind_of(report: Report) -> Kind:
    assert report.diagnosis is not None, report.line
    assert report.profile is None
    return report.diagnosis.kind


class Elsewhen(SystemClock):
    """A clock that is off."""

    def __init__(self, seconds: float) -> None:
        self._off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._off


def test_a_healthy_store_takes_eight_requests_and_keeps_nothing(store: ScriptedStore) -> None:
    report = look(store.settings)

    assert report.ok
    assert report.requests == len(store.calls) == HEALTHY_REQUESTS
    assert store.objects == {}
    assert report.profile == Profile(
        store.settings.fingerprint(),
        endpoint=store.settings.endpoint,
        conditional_put="yes",
        server=report.profile.server if report.profile else "",
    )
    assert {check.status for check in report.checks} == {"ok"}


def test_everything_is_written_below_a_key_of_its_own(store: ScriptedStore) -> None:
    look(store.settings)
    written = {call.key for call in store.calls if call.method == "PUT"}
    assert len(written) == 1
    assert written.pop().startswith("pre/probe/")


def wants_region(region: str, **more: str) -> Said:
    return refusal(400, MALFORMED, "the region is wrong", f"<Region>{region}</Region>", **more)


def test_the_region_is_taken_from_the_refusal(store: ScriptedStore) -> None:
    store.script = lambda call: None if call.region == "z1-a" else wants_region("z1-a")
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.region == "z1-a"
    assert report.requests == 8
    assert [note.kind for note in report.notes] == [Kind.REGION]


def test_the_region_that_a_message_names_is_not_believed(store: ScriptedStore) -> None:
    said = refusal(
        400, MALFORMED, "the region is wrong; expecting 'us-east-1'.", x_amz_bucket_region="z1-a"
    )
    store.script = lambda call: None if call.region == "z1-a" else said
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.region == "z1-a"


def test_a_redirect_names_the_region(store: ScriptedStore) -> None:
    said = refusal(301, "PermanentRedirect", "use the endpoint", x_amz_bucket_region="eu-west-3")
    store.script = lambda call: None if call.region == "eu-west-3" else said
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.region == "eu-west-3"


def test_amazon_is_asked_where_the_region_is() -> None:
    settings = StorageSettings("s3", bucket="b.dots", access_key="k", secret_key="s")
    asked: list[Manner] = []

    class Amazon:
        """Answers as Amazon does, which cannot be reached from here."""

        def __init__(self) -> None:
            self.settings = settings

        def ask(self, request: Request, manner: Manner, operation: Operation, **_: int) -> Heard:
            asked.append(manner)
            headers = {"x-amz-bucket-region": "eu-west-3"}
            body = b"<Error><Code>PermanentRedirect</Code></Error>"
            answer = parse(301, headers, body)
            if manner.region == "eu-west-3":
                answer = parse(200, {}, b"<ListBucketResult></ListBucketResult>")
            circumstances = Asked(operation, manner.endpoint, manner.host, region=manner.region)
            return Heard(diagnose(answer, circumstances), circumstances, manner, answer)

        def leaf_is_ca(self) -> bool:
            return False

    found = detect(Amazon())  # type: ignore[arg-type]
    assert isinstance(found, Detected), found
    assert [manner.host for manner in asked] == [
        "s3.us-east-1.amazonaws.com",
        "s3.eu-west-3.amazonaws.com",
    ]


def test_the_bucket_tells_its_location_where_a_refusal_does_not(store: ScriptedStore) -> None:
    def script(call: Call) -> Said | None:
        if "location" in call.query:
            return Said(200, b"<LocationConstraint>z9</LocationConstraint>")
        return None if call.region == "z9" else refusal(400, MALFORMED, "the region is wrong")

    store.script = script
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.region == "z9"


def test_a_region_that_nobody_tells(store: ScriptedStore) -> None:
    store.script = lambda call: refusal(400, MALFORMED, "the region is wrong")
    report = look(store.settings)
    assert kind_of(report) is Kind.REGION
    assert "--storage-region" in report.line


def test_a_wrong_pinned_region_is_refused_and_the_right_one_named(store: ScriptedStore) -> None:
    store.script = lambda call: None if call.region == "z1-a" else wants_region("z1-a")
    report = look(replace(store.settings, region="us-east-1"))
    assert kind_of(report) is Kind.REGION_PINNED
    assert "'us-east-1' is pinned" in report.line
    assert "--storage-region z1-a" in report.line
    assert report.requests == 2
    assert "unable to discern NotExist errors" in report.log_lines[0]


def test_a_right_pinned_region_needs_no_second_request(store: ScriptedStore) -> None:
    store.script = lambda call: None if call.region == "z1-a" else wants_region("z1-a")
    report = look(replace(store.settings, region="z1-a"))
    assert report.ok
    assert report.requests == 8


def test_a_store_that_moves_its_region_is_given_up_on(store: ScriptedStore) -> None:
    store.script = lambda call: wants_region(f"r-{len(store.calls)}")
    report = look(store.settings)
    assert not report.ok
    assert len(store.calls) <= MOST_REQUESTS


ONLY_V2 = refusal(400, "InvalidArgument", "Unsupported Authorization Type")
ONLY_V4 = refusal(400, "InvalidRequest", "Please use AWS4-HMAC-SHA256.")


def test_a_store_that_takes_v2_only(store: ScriptedStore) -> None:
    store.script = lambda call: None if call.signature == "v2" else ONLY_V2
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.signature == "v2"
    assert report.requests == 8
    assert [note.kind for note in report.notes] == [Kind.SIGNATURE]


def test_v4_pinned_on_a_store_that_takes_v2_only(store: ScriptedStore) -> None:
    store.script = lambda call: None if call.signature == "v2" else ONLY_V2
    report = look(replace(store.settings, signature="v4"))
    assert kind_of(report) is Kind.SIGNATURE_PINNED
    assert "--storage-signature v2" in report.line


def test_v2_pinned_on_a_store_that_takes_v4_only(store: ScriptedStore) -> None:
    store.script = lambda call: None if call.signature == "v4" else ONLY_V4
    report = look(replace(store.settings, signature="v2"))
    assert kind_of(report) is Kind.V2_REFUSED
    assert "--storage-signature v4" in report.line
    assert "isS3V2" in report.line


def test_a_store_that_takes_neither(store: ScriptedStore) -> None:
    store.script = lambda call: ONLY_V2 if call.signature == "v4" else ONLY_V4
    assert kind_of(look(store.settings)) is Kind.SIGNATURE


MISMATCH = refusal(403, "SignatureDoesNotMatch", "The request signature we calculated …")


def test_a_wrong_secret_takes_two_requests(store: ScriptedStore) -> None:
    store.script = lambda call: MISMATCH
    report = look(store.settings)
    assert kind_of(report) is Kind.WRONG_SECRET
    assert len(store.calls) == 2
    assert "'AK' or its secret is wrong" in report.line


def test_a_proxy_in_front_is_suspected_of_rewriting(store: ScriptedStore) -> None:
    nginx = refusal(403, "SignatureDoesNotMatch", Server="nginx/1.22.1")
    store.script = lambda call: Said(403, nginx.body, nginx.headers)
    report = look(store.settings)
    assert kind_of(report) is Kind.WRONG_SECRET


def test_a_host_that_was_rewritten_is_proved(store: ScriptedStore) -> None:
    seen = "<CanonicalRequest>GET\n/\n\nhost:inner:8080\n</CanonicalRequest>"
    said = refusal(403, "SignatureDoesNotMatch", "no match", seen)
    store.script = lambda call: None if call.signature == "v2" else said
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.signature == "v2"
    assert [note.kind for note in report.notes] == [Kind.HOST_REWRITTEN]
    assert "'inner:8080'" in report.notes[0].line

    pinned = look(replace(store.settings, signature="v4"))
    assert kind_of(pinned) is Kind.SIGNATURE_PINNED
    assert "rewrites the Host header" in pinned.line


def test_a_missing_bucket_behind_the_other_signature(store: ScriptedStore) -> None:
    missing = refusal(404, "NoSuchBucket", "The specified bucket does not exist")
    store.script = lambda call: missing if call.signature == "v2" else MISMATCH
    assert kind_of(look(store.settings)) is Kind.BUCKET_MISSING


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken"])
def test_a_session_token_that_is_over(store: ScriptedStore, code: str) -> None:
    store.script = lambda call: refusal(400, code, "The provided token has expired.")
    assert kind_of(look(store.settings)) is Kind.TOKEN_EXPIRED


def test_no_keys_are_said_before_anything_is_sent(store: ScriptedStore) -> None:
    report = look(replace(store.settings, access_key="", secret_key=""))
    assert kind_of(report) is Kind.NO_KEYS
    assert "AWS_ACCESS_KEY_ID" in report.line
    assert store.calls == []


@pytest.fixture
def any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host name is this machine."""
    real = http._resolve
    monkeypatch.setattr(
        http, "_resolve", lambda name, port, limit_s: real("127.0.0.1", port, limit_s)
    )


def by_name(store: ScriptedStore) -> StorageSettings:
    return replace(store.settings, endpoint=f"http://store.test:{store.port}")


@pytest.mark.usefixtures("any_name")
def test_a_store_that_takes_virtual_addressing_only(store: ScriptedStore) -> None:
    def script(call: Call) -> Said | None:
        if not call.headers["host"].startswith(f"{BUCKET}."):
            return refusal(403, "SecondLevelDomainForbidden", "Please use virtual hosted style.")
        there = replace(call, path=f"/{BUCKET}{call.path}".rstrip("/"))
        return store.healthy(there)

    store.script = script
    report = look(by_name(store))
    assert report.profile is not None
    assert report.profile.addressing == "virtual"
    assert report.profile.endpoint == f"http://store.test:{store.port}"
    assert store.objects == {}

    pinned = look(replace(by_name(store), addressing="path"))
    assert kind_of(pinned) is Kind.ADDRESSING_PINNED
    assert "--storage-addressing virtual" in pinned.line


@pytest.mark.usefixtures("any_name")
def test_virtual_addressing_pinned_on_a_store_that_takes_paths_only(store: ScriptedStore) -> None:
    all_buckets = Said(200, b"<ListAllMyBucketsResult></ListAllMyBucketsResult>")
    store.script = lambda call: all_buckets if call.path == "/" else None
    report = look(replace(by_name(store), addressing="virtual"))
    assert kind_of(report) is Kind.ADDRESSING_PINNED
    assert "--storage-addressing path" in report.line


@pytest.mark.usefixtures("any_name")
def test_an_endpoint_that_holds_the_bucket_already(store: ScriptedStore) -> None:
    missing = refusal(404, "NoSuchKey", "The specified key does not exist.")
    store.script = lambda call: missing
    report = look(by_name(store))
    assert kind_of(report) is Kind.ADDRESSING
    assert "remove the bucket's name from the endpoint" in report.line


def test_a_name_that_the_store_does_not_go_by(store: ScriptedStore) -> None:
    store.script = lambda call: refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
    assert kind_of(look(store.settings)) is Kind.ENDPOINT_NAME


def test_the_older_listing_is_used_where_the_newer_is_refused(store: ScriptedStore) -> None:
    store.script = lambda call: (
        refusal(400, "InvalidArgument", "list-type") if "list-type" in call.query else None
    )
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.list_version == 1


def test_a_store_that_takes_the_newer_listing_for_the_older(store: ScriptedStore) -> None:
    store.script = lambda call: store.listed(call, version=1) if call.lists else None
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.list_version == 1


def test_a_clock_that_is_off(store: ScriptedStore) -> None:
    skewed = refusal(403, "RequestTimeTooSkewed", "The difference … is too large.")
    store.script = lambda call: skewed
    report = probe(store.settings, clock=Elsewhen(7200))
    assert kind_of(report) is Kind.CLOCK
    assert "7200 s behind ours" in report.line


def test_a_refusal_without_a_name_is_put_down_to_a_clock_that_is_far_off(
    store: ScriptedStore,
) -> None:
    store.script = lambda call: refusal(403, "AccessDenied", "no")
    assert kind_of(probe(store.settings, clock=Elsewhen(-4000))) is Kind.CLOCK
    assert kind_of(probe(store.settings, clock=Elsewhen(-100))) is not Kind.CLOCK


def test_a_clock_that_is_a_little_off_is_noted(store: ScriptedStore) -> None:
    report = probe(store.settings, clock=Elsewhen(120))
    assert report.ok
    assert [note.kind for note in report.notes] == [Kind.CLOCK]
    assert report.profile is not None
    assert abs(report.profile.skew_s + 120) < 3


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (page("Welcome to nginx!"), Kind.NOT_S3),
        (page("Not here", 404), Kind.NOT_S3),
        (page("Sign in", 302, Location="https://login.example.org/"), Kind.MOVED),
        (page("Moved", 301, Location="https://127.0.0.1/x"), Kind.PLAIN_ON_TLS_PORT),
        (page("Bad gateway", 502), Kind.STORE),
        (Said(403, b"denied by proxy policy"), Kind.NOT_S3),
        (refusal(503, "SlowDown", "reduce your request rate", Retry_After="3"), Kind.THROTTLED),
        (refusal(500, "InternalError", "try again"), Kind.STORE),
        (refusal(418, "Teapot", "short and stout"), Kind.UNEXPLAINED),
    ],
)
def test_somebody_else_answers(store: ScriptedStore, said: Said, kind: Kind) -> None:
    store.script = lambda call: said
    report = look(store.settings)
    assert kind_of(report) is kind
    assert len(store.calls) <= 4


def test_a_store_that_is_busy_for_a_moment_is_asked_again(store: ScriptedStore) -> None:
    busy = refusal(503, "SlowDown", "reduce your request rate")
    store.script = lambda call: busy if call.number in {1, 5} else None
    assert look(store.settings).ok


def test_confirming_takes_one_request(store: ScriptedStore) -> None:
    profile = look(store.settings).profile
    assert profile is not None
    store.calls.clear()
    assert confirm(store.settings, profile) is None
    assert len(store.calls) == 1
    assert StoreProbe().confirm(store.settings, profile) == profile
    assert len(store.calls) == 2


def test_a_store_that_changed_is_seen_by_confirming(store: ScriptedStore) -> None:
    profile = look(store.settings).profile
    assert profile is not None
    store.script = lambda call: None if call.region == "z1-a" else wants_region("z1-a")
    store.calls.clear()
    changed = confirm(store.settings, profile)
    assert changed is not None
    assert changed.kind is Kind.REGION
    assert not changed.transient
    assert len(store.calls) == 1
    again = StoreProbe().detect(store.settings)
    assert isinstance(again, Profile)
    assert again.region == "z1-a"


def test_confirming_a_busy_store_is_one_request_too(store: ScriptedStore) -> None:
    profile = look(store.settings).profile
    assert profile is not None
    store.script = lambda call: refusal(503, "SlowDown", "later")
    store.calls.clear()
    changed = confirm(store.settings, profile)
    assert changed is not None
    assert changed.transient
    assert len(store.calls) == 1


def _recorded() -> list[Said]:
    folder = Path(__file__).with_name("answers")
    lines = [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    dropped = {"content-length", "transfer-encoding", "connection", "date", "server"}
    return [
        Said(
            line["status"],
            line["body"].encode() if line["status"] not in {204, 304} else b"",
            {n: v for n, v in line["headers"].items() if n.lower() not in dropped},
        )
        for line in lines
        if line["asked"]["operation"] != "head"
    ]


@pytest.mark.parametrize("seed", range(16))
def test_no_store_however_odd_is_asked_more_than_twenty_times(
    store: ScriptedStore, seed: int
) -> None:
    """Each request gets an answer that some store once gave to some request, or a healthy one."""
    answers = _recorded()
    dice = random.Random(seed)
    sane = dice.choice([0.0, 0.5, 0.9])
    store.script = lambda call: None if dice.random() < sane else dice.choice(answers)
    report = look(store.settings)
    assert len(store.calls) == report.requests <= MOST_REQUESTS
    assert report.ok == (report.profile is not None)
    assert report.line
