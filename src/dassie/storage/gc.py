"""The collector: finds packs that nothing refers to, and deletes them. Nothing else deletes.

A run has a snapshot of the database, marks from the roots, and then judges packs:

* A pack without a marked chunk is *condemned*. Whoever finds one of its chunks by deduplication
  from then on reprieves it (see `storage.index`).
* A condemned pack is *deleted* when a grace period has passed, no live session began before it was
  condemned (only those can have found a chunk in it without reprieving it), and again nothing in it
  is marked. It becomes a tombstone first, so that a late upload cannot bring back its rows; then
  its rows go; the object goes last.
* A pack that holds little that is marked, or one of many tiny ones, is *repacked*: what is marked
  is copied to a new pack, and the old one condemned in the transaction that says so.
* An object without a row (its writer died between the two) gets a row that is condemned from the
  start, and goes the same way. One that is damaged stays: nobody knows what it held. When packs
  with a row are not stored, the database is an old copy perhaps, and such objects hold what it
  looks for: see `storage.adopt`.
* Objects of the journal that its checkpoints replace are deleted at the end of a run.

It may run beside writers and beside other collectors, in other processes too. When something
reachable cannot be read, the run ends with that error before it has deleted anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.blob.api import BlobInfo, BlobNotFound
from dassie.meta.database import Database
from dassie.meta.transaction import Tx
from dassie.storage import pack
from dassie.storage.adopt import adopt
from dassie.storage.errors import CorruptPack
from dassie.storage.mark import Marks, mark
from dassie.storage.recover import read_footer
from dassie.storage.repack import Repacker
from dassie.storage.store import Storage
from dassie.storage.tables import chunks, packs, sessions
from dassie.storage.types import Content, Dir

_log = logging.getLogger(__name__)

Roots = Callable[[Tx], Iterable[Dir | Content]]

GRACE = timedelta(hours=1)
SKEW = timedelta(minutes=5)
_SCAN_ROWS = 20_000
_KEPT_REASONS = 1000
# Does nothing when the upload that the pack belongs to has recorded it just now.
_NOTE_ABANDONED = sa.text(
    "INSERT INTO packs (key, size, chunks, created_at, condemned_at)"
    " VALUES (:key, 0, 0, :now, :now) ON CONFLICT (key) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    grace: time between a pack's condemnation and its deletion, and how old an object without a row
        must be before it counts as abandoned. Longer than any read of one file.
    repack_below: a pack whose chunks are marked to a smaller part (in bytes) than this is repacked.
    tiny_bytes, tiny_count: packs smaller than that are merged when there are at least so many.
    repack_bytes: at most so much is copied in one run.
    forget: tombstones are dropped after this time.
    skew: how much the clocks of machines that share the database may differ. A session counts as
        begun so much earlier, and as live so much longer, than its row says.
    """

    grace: timedelta = GRACE
    repack_below: float = 0.4
    tiny_bytes: int = 2 << 20
    tiny_count: int = 32
    repack_bytes: int = 1 << 30
    forget: timedelta = timedelta(days=30)
    skew: timedelta = SKEW


@dataclass(slots=True)
class Report:
    """What a run did, or with `dry_run` would do now. Packs are named by their keys."""

    packs: int = 0
    bytes: int = 0
    live_bytes: int = 0
    """Stored bytes of marked chunks."""
    condemned: list[str] = field(default_factory=list)
    reprieved: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    repacked: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    """Objects without a row that were found."""
    pruned: list[str] = field(default_factory=list)
    """Objects of the journal that checkpoints replace."""
    freed_bytes: int = 0
    """In packs."""
    kept: dict[str, str] = field(default_factory=dict)
    """Packs that hold nothing marked and stay for now: why."""

    def keep(self, key: str, reason: str) -> None:
        if len(self.kept) < _KEPT_REASONS:
            self.kept[key] = reason


@dataclass(slots=True)
class _Pack:
    id: int
    key: str
    size: int
    created_at: int
    condemned_at: int | None
    deleted_at: int | None
    payload: int
    """Bytes of chunks in it, marked or not."""
    live_bytes: int = 0


@dataclass(slots=True)
class _Snapshot:
    now: int
    oldest_session: int | None
    packs: dict[int, _Pack]
    roots: list[Dir | Content]
    chunk_count: int


class Collector:
    """One object may be shared; runs of it must not overlap."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        policy: Policy | None = None,
        superseded: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`superseded`: keys of objects beside the packs that nobody will ask for again."""
        self._db = db
        self._storage = storage
        self._policy = policy or Policy()
        self._superseded = superseded

    def run_once(self, roots: Roots, *, dry_run: bool = False) -> Report:
        """Mark, judge, delete. `roots` yields every tree and content that must be kept."""
        report = Report()
        snapshot = self._snapshot(roots)
        stored = {info.key: info for info in self._storage.blob.list(pack.PREFIX)}
        if not dry_run and self._adopt(snapshot, stored):
            snapshot = self._snapshot(roots)
        marks = Marks(snapshot.chunk_count)
        mark(self._storage.chunks.read, snapshot.roots, marks)
        self._weigh(snapshot, marks, report)
        condemn, reprieve, delete = self._judge(snapshot, report)
        report.abandoned = self._abandoned(snapshot, stored, report)
        repack = self._worth_repacking(snapshot, report)
        report.condemned = [pack.key for pack in condemn]
        report.reprieved = [pack.key for pack in reprieve]
        report.deleted = [pack.key for pack in delete]
        report.repacked = [pack.key for pack in repack]
        report.freed_bytes = sum(pack.size for pack in delete)
        report.pruned = list(self._superseded())
        if not dry_run:
            self._act(snapshot, condemn, reprieve, report.abandoned)
            gone = self._delete(snapshot, delete)
            report.deleted = [pack.key for pack in gone]
            report.freed_bytes = sum(pack.size for pack in gone)
            worn = [(pack.key, pack.size) for pack in repack]
            Repacker(self._db, self._storage).run(worn, marks)
            self._storage.blob.delete(report.pruned)
        return report

    def _snapshot(self, roots: Roots) -> _Snapshot:
        with self._db.read() as tx:
            now = to_micros(tx.now)
            rows = tx.execute(sa.select(packs)).all()
            found = {
                row.id: _Pack(
                    row.id,
                    row.key,
                    row.size,
                    row.created_at,
                    row.condemned_at,
                    row.deleted_at,
                    row.size - pack.overhead(row.chunks),
                )
                for row in rows
            }
            oldest = tx.execute(self._oldest_session(now)).scalar_one()
            count = sum(row.chunks for row in rows if row.deleted_at is None)
            return _Snapshot(now, oldest, found, list(dict.fromkeys(roots(tx))), count)

    def _oldest_session(self, now: int) -> sa.Select[tuple[int | None]]:
        """When the oldest live session began."""
        skew = self._policy.skew // timedelta(microseconds=1)
        live = sessions.c.expires_at > now - skew
        return sa.select(sa.func.min(sessions.c.started_at) - skew).where(live)

    def _weigh(self, snapshot: _Snapshot, marks: Marks, report: Report) -> None:
        """Sum up the marked chunks of every pack, reading the index in slices."""
        after = b""
        columns = (chunks.c.hash, chunks.c.pack, chunks.c.stored)
        while True:
            with self._db.read() as tx:
                query = sa.select(*columns).where(chunks.c.hash > after).order_by(chunks.c.hash)
                rows = tx.execute(query.limit(_SCAN_ROWS)).all()
            if not rows:
                break
            for row in rows:
                holder = snapshot.packs.get(row.pack)
                if holder is not None and row.hash in marks:
                    holder.live_bytes += row.stored
            after = rows[-1].hash
        standing = [p for p in snapshot.packs.values() if p.deleted_at is None]
        report.packs = len(standing)
        report.bytes = sum(p.size for p in standing)
        report.live_bytes = sum(p.live_bytes for p in standing)

    def _judge(
        self, snapshot: _Snapshot, report: Report
    ) -> tuple[list[_Pack], list[_Pack], list[_Pack]]:
        """Packs to condemn, to reprieve, to delete; reasons for the others go to the report."""
        condemn, reprieve, delete = [], [], []
        oldest = snapshot.oldest_session
        grace = self._policy.grace // timedelta(microseconds=1)
        for held in snapshot.packs.values():
            if held.deleted_at is not None:
                continue
            if held.live_bytes:
                if held.condemned_at is not None:
                    reprieve.append(held)
            elif held.condemned_at is None:
                if oldest is not None and held.created_at >= oldest:
                    report.keep(held.key, "a running upload may have stored it")
                else:
                    condemn.append(held)
            elif held.condemned_at + grace > snapshot.now:
                seconds = (held.condemned_at + grace - snapshot.now) // 1_000_000
                report.keep(held.key, f"condemned; its grace period ends in {seconds} s")
            elif oldest is not None and oldest <= held.condemned_at:
                report.keep(held.key, "condemned; an upload that began before that still runs")
            else:
                delete.append(held)
        return condemn, reprieve, delete

    def _adopt(self, snapshot: _Snapshot, stored: Mapping[str, BlobInfo]) -> list[str]:
        """Packs that take the place of others that are gone."""
        missing = [
            held.key
            for held in snapshot.packs.values()
            if held.payload > 0 and held.deleted_at is None and held.key not in stored
        ]
        if not missing:
            return []
        known = {held.key for held in snapshot.packs.values()}
        unknown = (info for key, info in stored.items() if key not in known)
        return adopt(self._db, self._storage, missing, unknown)

    def _abandoned(
        self, snapshot: _Snapshot, stored: Mapping[str, BlobInfo], report: Report
    ) -> list[str]:
        """Pack objects without a row, old enough that no upload can be about to add it."""
        known = {held.key for held in snapshot.packs.values() if held.deleted_at is None}
        tombs = {held.key for held in snapshot.packs.values() if held.deleted_at is not None}
        limit = snapshot.now - self._policy.grace // timedelta(microseconds=1)
        found = []
        for info in stored.values():
            if info.key in known:
                continue
            if info.modified * 1_000_000 > limit:
                report.keep(info.key, "not in the index; it may belong to a running upload")
            elif info.key in tombs or self._is_whole(info, report):
                found.append(info.key)
        return found

    def _is_whole(self, info: BlobInfo, report: Report) -> bool:
        try:
            read_footer(self._storage.blob, info.key, info.size)
        except BlobNotFound:
            return False
        except CorruptPack as error:
            _log.warning("keeping a pack that is not in the index: %s", error)
            report.keep(info.key, f"not in the index, and what it held is not known: {error}")
            return False
        return True

    def _worth_repacking(self, snapshot: _Snapshot, report: Report) -> list[_Pack]:
        policy = self._policy
        settled = [
            held
            for held in snapshot.packs.values()
            if held.live_bytes and held.deleted_at is None and held.condemned_at is None
        ]
        tiny = [held for held in settled if held.size < policy.tiny_bytes]
        chosen = {held.id: held for held in tiny} if len(tiny) >= policy.tiny_count else {}
        for held in settled:
            if held.live_bytes < held.payload * policy.repack_below:
                chosen[held.id] = held
        result, total = [], 0
        for held in sorted(chosen.values(), key=lambda held: held.live_bytes):
            total += held.live_bytes
            if total > policy.repack_bytes:
                report.keep(held.key, "worth repacking; in a later run")
            else:
                result.append(held)
        return result

    def _act(
        self,
        snapshot: _Snapshot,
        condemn: Sequence[_Pack],
        reprieve: Sequence[_Pack],
        abandoned: Sequence[str],
    ) -> None:
        with self._db.write() as tx:
            _set(tx, [held.id for held in condemn], condemned_at=to_micros(tx.now))
            _set(tx, [held.id for held in reprieve], condemned_at=None)
            tombs = {held.key for held in snapshot.packs.values() if held.deleted_at is not None}
            for key in abandoned:
                # A tombstone whose object is still there: its deletion was cut short.
                if key not in tombs:
                    tx.execute(_NOTE_ABANDONED, {"key": key, "now": to_micros(tx.now)})
            forget = to_micros(tx.now - self._policy.forget)
            tx.execute(sa.delete(packs).where(packs.c.deleted_at < forget))
        self._storage.blob.delete(key for key in abandoned if key in tombs)

    def _delete(self, snapshot: _Snapshot, delete: Sequence[_Pack]) -> list[_Pack]:
        """Tombstones, rows, objects. Leaves out what changed since the snapshot."""
        gone = []
        with self._db.write() as tx:
            oldest = tx.execute(self._oldest_session(to_micros(tx.now))).scalar_one()
            for held in delete:
                if held.condemned_at is None or (
                    oldest is not None and oldest <= held.condemned_at
                ):
                    continue
                unchanged = sa.and_(
                    packs.c.id == held.id,
                    packs.c.condemned_at == held.condemned_at,
                    packs.c.deleted_at.is_(None),
                )
                update = sa.update(packs).where(unchanged).values(deleted_at=to_micros(tx.now))
                if tx.execute(update).rowcount:
                    gone.append(held)
        # Rows of packs that an earlier run did not get to the end of go along.
        dead = [held.id for held in gone]
        dead += [held.id for held in snapshot.packs.values() if held.deleted_at is not None]
        self._drop_rows(dead)
        self._storage.blob.delete(held.key for held in gone)
        if gone:
            _log.info("deleted %d packs, %d bytes", len(gone), sum(held.size for held in gone))
        return gone

    def _drop_rows(self, dead: Sequence[int]) -> None:
        """Delete index rows of tombstones, a slice per transaction: writers get their turn."""
        if not dead:
            return
        gone = set(dead)
        after = b""
        while True:
            with self._db.read() as tx:
                query = sa.select(chunks.c.hash, chunks.c.pack).where(chunks.c.hash > after)
                rows = tx.execute(query.order_by(chunks.c.hash).limit(_SCAN_ROWS)).all()
            if not rows:
                return
            after = rows[-1].hash
            names = [row.hash for row in rows if row.pack in gone]
            for start in range(0, len(names), 500):
                batch = names[start : start + 500]
                with self._db.write() as tx:
                    tx.execute(
                        sa.delete(chunks).where(chunks.c.hash.in_(batch), chunks.c.pack.in_(gone))
                    )


def _set(tx: Tx, ids: Sequence[int], *, condemned_at: int | None) -> None:
    """Condemn or reprieve packs that stand, and that are not already."""
    for start in range(0, len(ids), 500):
        where = [packs.c.id.in_(ids[start : start + 500]), packs.c.deleted_at.is_(None)]
        if condemned_at is not None:
            where.append(packs.c.condemned_at.is_(None))
        tx.execute(sa.update(packs).where(*where).values(condemned_at=condemned_at))
