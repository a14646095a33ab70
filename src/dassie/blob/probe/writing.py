"""What a store does with data: writes, reads back, ranges, uploads in parts, lists, deletes.

Called by `probe.run` once `detect` knows how to ask. Everything is written below one key of the
probe's own and removed again, also when a step fails; the last read, of the deleted key, is at the
same time the check that a missing key can be told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from hashlib import shake_128

from dassie.blob.probe.caller import BudgetSpentError, Caller, Heard
from dassie.blob.probe.detect import Detected, inside, listed_keys, listing, random_key
from dassie.blob.probe.diagnosis import Diagnosis, Kind, Operation, setting
from dassie.blob.probe.signing import Request, md5, sha256

OBJECT_BYTES = 8 << 20
"""Larger than the body limits that proxies come with."""
_SMALL = b"dassie: a second write that must not win"
_SPARE_BELOW = 3
"""Requests after which there is room for one more within eight."""
_NO_UPLOAD = "nosuchupload"
_REQUESTS_FROM_PARTS_ON = 8
"""For an upload in parts, and the deletion that must follow it."""
_MIN_PART = 5 << 20
"""No part but the last may be smaller."""

_FRAMED = re.compile(rb"^[0-9a-fA-F]{1,8}(;chunk-signature=[0-9a-f]{64})?\r\n")
_PACHYDERM_KEY = re.compile(r"(?:^|/)chunk/[0-9a-f]{32,}\.[0-9a-f]{16}$")
_OWN = ("cluster", "pack", "journal", "checkpoint", "probe", "spool", "meta")
"""First elements of Dassie's own keys."""

MARKER = "cluster"
"""The object that says which cluster a prefix belongs to."""


@dataclass(slots=True)
class Learnt:
    """What came out, as far as it went."""

    diagnosis: Diagnosis | None = None
    notes: list[Diagnosis] = field(default_factory=list)
    checksums: str = "when_required"
    conditional_put: str = ""
    batch_delete: bool = True
    multipart: bool = True
    ranges: bool = True
    missing_key: str = ""
    marked: bool = False
    """The prefix holds the marker of a Dassie cluster."""
    written: bool = False
    read_back: bool = False
    deleted: bool = False
    put_bytes_s: float = 0.0
    get_bytes_s: float = 0.0


class WriteProbe:
    """One run of it."""

    def __init__(self, caller: Caller, detected: Detected, *, thorough: bool = False) -> None:
        self._caller = caller
        self._settings = caller.settings
        self._manner = detected.manner
        self._listing = detected.listing
        self._list_version = detected.list_version
        self._thorough = thorough
        self._key = random_key(caller.settings)
        self._body = shake_128(self._key.encode()).digest(OBJECT_BYTES)
        self._upload = ""
        self._dirty = False
        self.learnt = Learnt(checksums=caller.settings.checksums or "when_required")

    def run(self) -> Learnt:
        """All steps up to the first that fails."""
        self._look()
        try:
            self._steps()
        except BudgetSpentError:
            self.learnt.diagnosis = Diagnosis(
                Kind.UNEXPLAINED,
                f"the store's answers led nowhere after {self._caller.requests} requests",
                "run pachd doctor and look at its table",
            )
        finally:
            self._clean()
        return self.learnt

    def _steps(self) -> None:
        steps = [self._write, self._read, self._list, self._write_again, self._parts]
        steps += [self._all_parts] if self._thorough else []
        for step in [*steps, self._delete, self._read_deleted]:
            self.learnt.diagnosis = step()
            if self.learnt.diagnosis is not None:
                return

    def _ask(self, request: Request, operation: Operation, *, read: int = 64 << 10) -> Heard:
        return self._caller.ask(request, self._manner, operation, read=read)

    def _look(self) -> None:
        """What lies at the prefix already, by the listing that was made to find the manner."""
        keys = listed_keys(self._listing.body)
        start = inside(self._settings, "")
        names = [key.removeprefix(start) for key in keys]
        self.learnt.marked = MARKER in names
        chunk = next((name for name in names if _PACHYDERM_KEY.search(name)), "")
        foreign = [name for name in names if name.partition("/")[0] not in _OWN]
        where = f"s3://{self._settings.bucket}/{self._settings.prefix}".rstrip("/")
        other = f"give Dassie a prefix of its own, such as s3://{self._settings.bucket}/dassie"
        if chunk:
            self.learnt.notes.append(
                Diagnosis(
                    Kind.PACHYDERM,
                    f"{where} holds data in Pachyderm's own format ({chunk!r}), "
                    "which Dassie does not read",
                    other,
                )
            )
        elif foreign:
            many = f"{len(foreign)}" + ("" if len(keys) < 200 else " or more")
            self.learnt.notes.append(
                Diagnosis(
                    Kind.FOREIGN,
                    f"{where} holds {many} objects that are not Dassie's ({foreign[0]!r})",
                    other,
                )
            )

    def _write(self) -> Diagnosis | None:
        self._dirty = True
        heard = self._put(self.learnt.checksums)
        if heard.kind is Kind.MD5_WANTED and self.learnt.checksums != "md5":
            if self._settings.checksums:
                return replace(heard.verdict, remedy=f"set {setting('checksums', 'md5')}")
            self.learnt.checksums = "md5"
            heard = self._put("md5")
        pinned = self._settings.checksums in {"md5", "sha256"}
        refused = heard.kind in {Kind.CHECKSUMS, Kind.NOT_IMPLEMENTED, Kind.UNEXPLAINED}
        if pinned and refused and self._put("when_required").kind is Kind.OK:
            return Diagnosis(
                Kind.CHECKSUMS,
                f"checksums {self._settings.checksums!r} are pinned, but the store rejects them "
                f"({heard.verdict.words})",
                f"set {setting('checksums', 'when_required')}, or leave it out",
                heard.verdict.words,
            )
        if heard.kind is not Kind.OK:
            # A definite refusal leaves nothing behind; after anything else it may be there.
            self._dirty = heard.answer is None or heard.answer.status >= 500
            return _as_write(heard)
        self.learnt.written = True
        if heard.reply and heard.reply.seconds:
            self.learnt.put_bytes_s = len(self._body) / heard.reply.seconds
        return None

    def _put(self, checksums: str) -> Heard:
        request = Request("PUT", self._key, body=self._body)
        if checksums == "md5":
            request = request.with_headers(Content_MD5=md5(self._body))
        elif checksums == "sha256":
            request = request.with_headers(x_amz_checksum_sha256=sha256(self._body))
        return self._ask(request, Operation.WRITE)

    def _read(self) -> Diagnosis | None:
        """All but the last byte, by a range: its content is told, and the total beside it."""
        last = len(self._body) - 2
        request = Request("GET", self._key).with_headers(Range=f"bytes=0-{last}")
        heard = self._ask(request, Operation.READ, read=len(self._body) + (64 << 10))
        if heard.kind in {Kind.MISSING_KEY, Kind.NOT_FOUND}:
            return Diagnosis(
                Kind.STALE_READ,
                f"an object was not there right after it was written ({heard.verdict.words})",
                "Dassie needs a store that shows what was written at once: "
                "do not use an eventually consistent replica or gateway cache",
                heard.verdict.words,
            )
        if heard.kind is not Kind.OK or heard.reply is None or heard.answer is None:
            return heard.verdict
        total = heard.answer.headers.get("content-range", "").rpartition("/")[2]
        partial = heard.answer.status == 206
        right_total = int(total) == len(self._body) if total.isdecimal() else partial
        if heard.body == self._body[: last + 1] and right_total:
            # The right bytes under 200 are right for us, not for every driver.
            self.learnt.ranges = partial
        elif heard.body == self._body:
            self.learnt.ranges = False
        else:
            return self._corrupted(heard, total)
        if self._thorough and not self._middle():
            self.learnt.ranges = False
        self.learnt.read_back = True
        if heard.reply.seconds:
            self.learnt.get_bytes_s = len(heard.body) / heard.reply.seconds
        return None

    def _middle(self) -> bool:
        """Whether a range that begins inside is answered with its bytes."""
        first, last = OBJECT_BYTES // 2, OBJECT_BYTES // 2 + 999
        request = Request("GET", self._key).with_headers(Range=f"bytes={first}-{last}")
        heard = self._ask(request, Operation.READ, read=OBJECT_BYTES)
        return heard.body == self._body[first : last + 1]

    def _corrupted(self, heard: Heard, total: str) -> Diagnosis:
        size = int(total) if total.isdecimal() else len(heard.body)
        framed = _FRAMED.match(heard.body) or _FRAMED.match(self._first_bytes())
        told = f"{len(self._body)} bytes were written, {size} came back"
        if framed:
            return Diagnosis(
                Kind.FRAMING,
                f"the store kept the framing of the transfer as data ({told}, beginning with "
                f"{framed.group(0)[:24]!r})",
                "do not keep data in it; look for a proxy that re-chunks bodies, or another store",
            )
        return Diagnosis(
            Kind.CORRUPTED,
            f"what was read is not what was written ({told})",
            "do not keep data in it; look for a proxy that alters bodies, and at the store's disks",
        )

    def _first_bytes(self) -> bytes:
        heard = self._ask(Request("GET", self._key), Operation.READ, read=128)
        return heard.body

    def _list(self) -> Diagnosis | None:
        """Whether a listing shows what was written; left out where asking has cost more already."""
        if self._caller.requests > _SPARE_BELOW and not self._thorough:
            return None
        request = listing(self._settings, self._list_version, self._key)
        heard = self._ask(request, Operation.LIST)
        if heard.kind is Kind.OK and self._key not in listed_keys(heard.body):
            self.learnt.notes.append(
                Diagnosis(
                    Kind.STALE_LIST,
                    "a listing does not show an object right after it was written",
                    "garbage collection and recovery go by listings: "
                    "look whether the store's listings lag, or leave objects out",
                )
            )
        return None

    def _write_again(self) -> Diagnosis | None:
        """A write of the same key that must only succeed where there is none."""
        request = Request("PUT", self._key, body=_SMALL).with_headers(If_None_Match="*")
        heard = self._ask(request, Operation.WRITE)
        if heard.kind is Kind.KEY_EXISTS or (heard.answer and heard.answer.status == 409):
            self.learnt.conditional_put = "yes"
        elif heard.kind is Kind.OK:
            self.learnt.conditional_put = "ignored"
        else:
            self.learnt.conditional_put = "refused"
        return None

    def _parts(self) -> Diagnosis | None:
        """Whether the store knows uploads in parts: by one part for an upload that is not there."""
        query = (("partNumber", "1"), ("uploadId", _NO_UPLOAD))
        heard = self._ask(Request("PUT", self._key, query, body=_SMALL), Operation.UPLOAD)
        if heard.kind is Kind.MISSING_UPLOAD:
            return None
        if heard.kind is Kind.OK:
            self._abort(_NO_UPLOAD)  # some keep the part where no listing shows it
        if heard.kind is Kind.NOT_IMPLEMENTED or self._caller.left < _REQUESTS_FROM_PARTS_ON:
            self.learnt.multipart = False
            return None
        return None if self._thorough else self._all_parts()

    def _all_parts(self) -> Diagnosis | None:
        """A whole upload in two parts, read back. A failure means no multipart, nothing worse."""
        self.learnt.multipart = False
        begun = self._ask(Request("POST", self._key, (("uploads", ""),)), Operation.UPLOAD)
        upload = begun.answer.element("UploadId") if begun.answer else ""
        if begun.kind is not Kind.OK or not upload:
            return None
        self._upload = upload
        etags = []
        for number, part in enumerate((self._body[:_MIN_PART], self._body[_MIN_PART:]), 1):
            query = (("partNumber", str(number)), ("uploadId", upload))
            sent = self._ask(Request("PUT", self._key, query, body=part), Operation.UPLOAD)
            if sent.kind is not Kind.OK or sent.answer is None:
                return None
            etags.append(sent.answer.headers.get("etag", ""))
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        done = self._ask(
            Request("POST", self._key, (("uploadId", upload),), body=body), Operation.UPLOAD
        )
        # Some answer 200 at once and tell of a failure in the body.
        if done.kind is not Kind.OK or (done.answer and done.answer.code):
            return None
        self._upload = ""
        read = self._ask(
            Request("GET", self._key), Operation.READ, read=len(self._body) + (64 << 10)
        )
        self.learnt.multipart = read.body == self._body
        return None

    def _abort(self, upload: str) -> None:
        self._ask(Request("DELETE", self._key, (("uploadId", upload),)), Operation.DELETE)

    def _delete(self) -> Diagnosis | None:
        body = f"<Delete><Object><Key>{self._key}</Key></Object></Delete>".encode()
        request = Request("POST", "", (("delete", ""),), body=body).with_headers(
            Content_MD5=md5(body)
        )
        heard = self._ask(request, Operation.DELETE)
        # The answer may be 200 and hold a refusal of the one key.
        refused = "<Error>" in heard.answer.body if heard.answer else True
        self.learnt.batch_delete = heard.kind is Kind.OK and not refused
        if self.learnt.batch_delete:
            return None
        single = self._ask(Request("DELETE", self._key), Operation.DELETE)
        return None if single.kind in {Kind.OK, Kind.MISSING_KEY} else single.verdict

    def _read_deleted(self) -> Diagnosis | None:
        heard = self._ask(Request("GET", self._key), Operation.READ, read=1024)
        if heard.kind is Kind.MISSING_KEY:
            self.learnt.missing_key = "404"
            self.learnt.deleted = True
            self._dirty = False
            return None
        if heard.kind is Kind.DENIED_READ:
            self.learnt.missing_key = "403"
            self._dirty = False
            return heard.verdict
        if heard.kind is Kind.OK:
            return Diagnosis(
                Kind.STALE_DELETE,
                f"an object was still read after its deletion ({heard.verdict.words})",
                "do not use an eventually consistent replica or gateway cache, nor a bucket with "
                "object lock",
                heard.verdict.words,
            )
        return heard.verdict

    def _clean(self) -> None:
        """Remove what a step left behind; what cannot be removed is said."""
        caller = self._caller
        caller.cleaning = True
        try:
            if self._upload:
                self._abort(self._upload)
            if self._dirty:
                heard = self._ask(Request("DELETE", self._key), Operation.DELETE)
                gone = heard.kind in {Kind.OK, Kind.MISSING_KEY}
                if not gone and self.learnt.written:
                    self.learnt.notes.append(
                        Diagnosis(
                            heard.kind,
                            f"the probe could not remove its object {self._key!r} "
                            f"({heard.verdict.words or heard.verdict.message})",
                            "delete it by hand",
                        )
                    )
        except BudgetSpentError:
            return


def _as_write(heard: Heard) -> Diagnosis:
    """A failed write, where reads have worked."""
    found = heard.verdict
    if found.kind in {Kind.WRONG_SECRET, Kind.SIGNATURE, Kind.UNEXPLAINED, Kind.CHECKSUMS}:
        words = found.words or found.message
        return replace(
            found,
            message=f"reads work but a write of {OBJECT_BYTES} bytes is refused ({words})",
        )
    return found
