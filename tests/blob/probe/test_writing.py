"""What the probe finds out by writing, on scripted stores that lie, lose, refuse or fall silent."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from dassie.blob.probe.caller import MOST_REQUESTS
from dassie.blob.probe.diagnosis import Kind
from dassie.blob.probe.report import Report
from dassie.blob.probe.run import probe
from dassie.blob.probe.writing import OBJECT_BYTES
from tests.blob.probe.scripted import Call, Said, ScriptedStore, page, refusal
from tests.blob.probe.test_detection import kind_of, look, no_pause

DENIED = refusal(403, "AccessDenied", "Access Denied.")


def writes(call: Call) -> bool:
    """The first write: the large object."""
    return call.method == "PUT" and len(call.body) == OBJECT_BYTES


def deletes(call: Call) -> bool:
    return call.method == "DELETE" or (call.method == "POST" and "delete" in call.query)


def test_framing_that_is_stored_as_data(store: ScriptedStore) -> None:
    def script(call: Call) -> Said | None:
        if not writes(call):
            return None
        store.objects[call.key] = b"800000;chunk-signature=" + b"a" * 64 + b"\r\n" + call.body
        return Said(200)

    store.script = script
    report = look(store.settings)
    assert kind_of(report) is Kind.FRAMING
    assert f"{OBJECT_BYTES} bytes were written" in report.line
    assert store.objects == {}


@pytest.mark.parametrize("change", ["first", "flip", "cut", "last", "longer"])
def test_bytes_that_come_back_changed(store: ScriptedStore, change: str) -> None:
    def script(call: Call) -> Said | None:
        if not writes(call):
            return None
        body = call.body
        store.objects[call.key] = {
            "first": bytes([body[0] ^ 1]) + body[1:],
            "flip": body[:4000] + bytes([body[4000] ^ 1]) + body[4001:],
            "cut": body[:-9],
            "last": body[:-1],
            "longer": body + b"x",
        }[change]
        return Said(200)

    store.script = script
    assert kind_of(look(store.settings)) is Kind.CORRUPTED
    assert store.objects == {}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (page("413 Request Entity Too Large", 413), Kind.BODY_LIMIT),
        (refusal(413, "EntityTooLarge", "too large"), Kind.BODY_LIMIT),
        (refusal(413, "EntityTooLarge", "Upload exceeds quota."), Kind.FULL),
        (refusal(403, "QuotaExceeded"), Kind.FULL),
        (refusal(507, "XMinioStorageFull", "reached its minimum free drive"), Kind.FULL),
        (refusal(500, "InternalError", "try again"), Kind.STORE),
        (DENIED, Kind.DENIED_WRITE),
        (Said(403), Kind.DENIED_WRITE),
        (refusal(405, "MethodNotAllowed", "not allowed against this resource"), Kind.READ_ONLY),
        (refusal(503, "ServiceUnavailable", "The cluster is read-only."), Kind.READ_ONLY),
        (refusal(400, "XAmzContentSHA256Mismatch", "does not match"), Kind.CHECKSUMS),
        (refusal(400, "BadDigest", "did not match"), Kind.CHECKSUMS),
        (refusal(409, "OperationAborted", "conflict"), Kind.UNEXPLAINED),
    ],
)
def test_a_write_that_is_refused(store: ScriptedStore, said: Said, kind: Kind) -> None:
    store.script = lambda call: said if writes(call) else None
    report = look(store.settings)
    assert kind_of(report) is kind
    assert str(said.status) in report.line
    assert store.objects == {}


def test_a_write_that_is_never_answered(store: ScriptedStore) -> None:
    def script(call: Call) -> Said | None:
        if call.method in {"PUT", "DELETE"}:
            store.released.wait(30)
        return None

    store.script = script
    begin = time.monotonic()
    report = look(replace(store.settings, request_timeout_s=0.6, stall_timeout_s=0.6))
    assert kind_of(report) is Kind.WRITE_TIMEOUT
    assert report.diagnosis is not None
    assert report.diagnosis.transient
    assert "reads work" in report.line
    assert time.monotonic() - begin < 20


def test_a_connection_that_is_cut_in_a_body(store: ScriptedStore) -> None:
    """As some proxies do instead of an answer."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = replace(store.settings, endpoint=f"http://127.0.0.1:{port}")

    def serve() -> None:
        listing = store.listed(Call(1, "GET", "/", {}, {}, b"")).body
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(listing)}\r\n\r\n".encode()
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(1 << 16):
                    if data.startswith(b"GET"):
                        connection.sendall(head + listing)
                    else:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        report = look(settings)
    finally:
        listener.close()
        thread.join(5)
    assert kind_of(report) is Kind.BODY_LIMIT
    assert f"of {OBJECT_BYTES} bytes" in report.line


def test_an_object_that_is_not_there_after_its_write(store: ScriptedStore) -> None:
    missing = refusal(404, "NoSuchKey")
    store.script = lambda call: missing if call.method == "GET" and call.key else None
    report = look(store.settings)
    assert kind_of(report) is Kind.STALE_READ
    assert store.objects == {}


def test_an_object_that_is_there_after_its_deletion(store: ScriptedStore) -> None:
    store.script = lambda call: Said(200) if deletes(call) else None
    assert kind_of(look(store.settings)) is Kind.STALE_DELETE


def test_listing_is_denied_but_a_missing_key_is_told(store: ScriptedStore) -> None:
    store.script = lambda call: DENIED if call.lists else None
    report = look(store.settings)
    assert kind_of(report) is Kind.DENIED_LIST
    assert "s3:ListBucket" in report.line


def test_a_missing_key_that_cannot_be_told(store: ScriptedStore) -> None:
    store.script = lambda call: DENIED if call.method == "GET" else None
    report = look(store.settings)
    assert kind_of(report) is Kind.DENIED_READ
    assert report.log_lines[0].startswith(
        'storage is unable to discern NotExist errors, "Access Denied." should count as NotExist: '
        "PERMISSION: "
    )


def test_a_missing_key_is_denied_though_listing_is_not(store: ScriptedStore) -> None:
    store.script = lambda call: (
        DENIED if call.method == "GET" and call.key and call.key not in store.objects else None
    )
    report = look(store.settings)
    assert kind_of(report) is Kind.DENIED_READ
    assert "unable to discern NotExist errors" in report.log_lines[0]
    assert store.objects == {}


DENIED_IN_BATCH = Said(
    200, b"<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"
)


@pytest.mark.parametrize("batch", [DENIED, DENIED_IN_BATCH])
def test_deleting_is_denied_and_what_is_left_is_said(store: ScriptedStore, batch: Said) -> None:
    store.script = lambda call: (
        (batch if call.method == "POST" else DENIED) if deletes(call) else None
    )
    report = look(store.settings)
    assert kind_of(report) is Kind.DENIED_DELETE
    assert any("could not remove its object 'pre/probe/" in note.line for note in report.notes)


def test_single_deletes_where_there_are_no_batches(store: ScriptedStore) -> None:
    no = refusal(501, "NotImplemented", "A header you provided implies …")
    store.script = lambda call: no if call.method == "POST" and "delete" in call.query else None
    report = look(store.settings)
    assert report.profile is not None
    assert not report.profile.batch_delete
    assert store.objects == {}


def test_a_store_without_multipart(store: ScriptedStore) -> None:
    no = refusal(501, "NotImplemented", "not implemented")
    store.script = lambda call: no if "uploadId" in call.query else None
    report = look(store.settings)
    assert report.profile is not None
    assert not report.profile.multipart


def test_a_store_that_takes_a_part_for_an_object(store: ScriptedStore) -> None:
    def script(call: Call) -> Said | None:
        return store.healthy(replace(call, query={})) if "uploadId" in call.query else None

    store.script = script
    report = look(store.settings)
    assert report.profile is not None
    assert not report.profile.multipart
    assert store.objects == {}


def test_multipart_is_tried_in_earnest_where_the_answer_is_odd(store: ScriptedStore) -> None:
    odd = refusal(404, "NoSuchKey")
    bogus = {"nosuchupload"}
    store.script = lambda call: odd if bogus & set(call.query.get("uploadId", [])) else None
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.multipart
    assert store.objects == {}
    assert store.uploads == {}


def test_a_part_that_is_taken_for_an_unknown_upload_does_not_stay(store: ScriptedStore) -> None:
    """As S3Proxy over a folder has it: the part lies there, and no listing shows it."""

    def script(call: Call) -> Said | None:
        upload = call.query.get("uploadId", [""])[0]
        if upload and call.method == "PUT":
            store.uploads.setdefault(upload, {})
        return None

    store.script = script
    for thorough in (False, True):
        report = probe(store.settings, thorough=thorough, pause=no_pause)
        assert report.profile is not None
        assert report.profile.multipart
        assert store.uploads == {}
        assert store.objects == {}


def test_uploads_in_parts_are_left_out_rather_than_the_start_refused(store: ScriptedStore) -> None:
    """A store that is odd in every way: what is left of twenty requests must delete and read."""
    busy = [1, 5]

    def script(call: Call) -> Said | None:
        if call.number in busy:
            return refusal(503, "SlowDown")
        if "location" in call.query:
            return Said(200, b"<LocationConstraint>z1-a</LocationConstraint>")
        if call.region != "z1-a":
            return refusal(400, "AuthorizationHeaderMalformed", "the region is wrong")
        if writes(call) and "content-md5" not in call.headers:
            return refusal(400, "InvalidRequest", "Missing required Content-MD5")
        if "nosuchupload" in call.query.get("uploadId", []):
            return refusal(404, "NoSuchKey")
        return refusal(501, "NotImplemented") if "delete" in call.query else None

    store.script = script
    report = look(store.settings)
    assert report.profile is not None, report.line
    assert not report.profile.multipart
    assert report.requests == len(store.calls) <= MOST_REQUESTS
    assert store.objects == store.uploads == {}


def test_an_upload_that_fails_is_aborted(store: ScriptedStore) -> None:
    def script(call: Call) -> Said | None:
        if "nosuchupload" in call.query.get("uploadId", []):
            return refusal(404, "NoSuchKey")
        part = call.query.get("partNumber")
        return refusal(500, "InternalError") if part == ["2"] else None

    store.script = script
    report = look(store.settings)
    assert report.profile is not None
    assert not report.profile.multipart
    assert store.uploads == {}
    assert store.objects == {}


def test_conditional_puts_that_are_ignored_or_refused(store: ScriptedStore) -> None:
    conditional = "if-none-match"
    store.script = lambda call: (
        store.healthy(replace(call, headers={})) if conditional in call.headers else None
    )
    ignored = look(store.settings).profile
    assert ignored is not None
    assert ignored.conditional_put == "ignored"
    no = refusal(501, "NotImplemented", "Conditional object PUTs are not supported.")
    store.script = lambda call: no if conditional in call.headers else None
    refused = look(store.settings).profile
    assert refused is not None
    assert refused.conditional_put == "refused"


def test_ranges_that_are_ignored(store: ScriptedStore) -> None:
    store.script = lambda call: (
        store.healthy(replace(call, headers={})) if "range" in call.headers else None
    )
    report = look(store.settings)
    assert report.profile is not None
    assert not report.profile.ranges


def test_content_md5_is_sent_where_it_is_wanted(store: ScriptedStore) -> None:
    wanted = refusal(400, "InvalidRequest", "Missing required header: Content-MD5")
    store.script = lambda call: (
        wanted if writes(call) and "content-md5" not in call.headers else None
    )
    report = look(store.settings)
    assert report.profile is not None
    assert report.profile.checksums == "md5"
    assert report.profile.content_md5
    assert kind_of(look(replace(store.settings, checksums="when_required"))) is Kind.MD5_WANTED


def test_checksums_that_are_pinned_and_rejected(store: ScriptedStore) -> None:
    no = refusal(400, "InvalidRequest", "x-amz-checksum-sha256 is not supported")
    store.script = lambda call: no if "x-amz-checksum-sha256" in call.headers else None
    report = look(replace(store.settings, checksums="sha256"))
    assert kind_of(report) is Kind.CHECKSUMS
    assert "--storage-checksums when_required" in report.line
    assert store.objects == {}


def with_keys(store: ScriptedStore, *keys: str) -> Report:
    store.objects.update({f"pre/{key}": b"x" for key in keys})
    return look(store.settings)


def test_a_bucket_in_pachyderms_format_is_noted(store: ScriptedStore) -> None:
    report = with_keys(store, f"chunk/{'ab' * 32}.00000000000001f3")
    assert [note.kind for note in report.notes] == [Kind.PACHYDERM]
    assert "Pachyderm's own format" in report.notes[0].line
    assert report.ok


def test_foreign_objects_are_noted_and_our_own_are_not(store: ScriptedStore) -> None:
    assert not with_keys(store, "cluster", "pack/aa", "journal/1", "probe/left").notes
    report = with_keys(store, "photos/1.jpg")
    assert [note.kind for note in report.notes] == [Kind.FOREIGN]
    assert report.marked
    assert sorted(store.objects) == [
        f"pre/{key}" for key in ("cluster", "journal/1", "pack/aa", "photos/1.jpg", "probe/left")
    ]


def test_a_thorough_probe_tries_multipart_in_earnest_and_measures(store: ScriptedStore) -> None:
    report = probe(store.settings, thorough=True)
    assert report.ok
    assert set(report.figures) == {
        "latency_s",
        "put_bytes_per_s",
        "get_bytes_per_s",
        "clock_skew_s",
    }
    parts = [call for call in store.calls if "partNumber" in call.query]
    assert [len(call.body) for call in parts[1:]] == [5 << 20, 3 << 20]
    assert store.objects == {}
    assert store.uploads == {}
