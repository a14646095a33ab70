"""Upload sessions: leases that keep what an upload stores, and finds stored, from the collector.

The collector deletes a condemned pack only when no session lives that began before the pack was
condemned. So an upload takes part in a session before it looks at or stores anything, and the
transaction that makes its result reachable checks that the session never lapsed.

Uploads of one process share a session for a minute, so that a small upload costs no transaction.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import sqlalchemy as sa

from dassie.base.clock import to_micros
from dassie.errors import Aborted, DassieError
from dassie.meta.database import Database
from dassie.meta.transaction import Tx
from dassie.storage.tables import sessions

_log = logging.getLogger(__name__)

DEFAULT_TTL = timedelta(minutes=10)
SHARE_SECONDS = 60.0


class DatabaseSessions:
    """`Sessions` in the table `sessions`. Thread-safe.

    A background thread renews the leases in use, at a third of their time to live, and ends those
    that nobody uses any more. A process that dies leaves a row that expires.
    """

    def __init__(self, db: Database, *, ttl: timedelta = DEFAULT_TTL) -> None:
        self._db = db
        self._ttl = ttl
        self._users: dict[int, int] = {}
        self._current: int | None = None
        self._current_until = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None

    def acquire(self) -> int:
        with self._lock:
            now = self._db.clock.monotonic()
            if self._current is None or now >= self._current_until:
                self._current = self._insert()
                self._current_until = now + min(SHARE_SECONDS, self._ttl.total_seconds() / 3)
                self._users[self._current] = 0
                self._start_keeper()
            self._users[self._current] += 1
            return self._current

    def release(self, session: int) -> None:
        with self._lock:
            if session in self._users:
                self._users[session] -= 1

    def renew(self) -> None:
        """Extend leases in use, end the others. The keeper calls it; tests may."""
        with self._lock:
            now = self._db.clock.monotonic()
            if self._current is not None and now >= self._current_until:
                self._current = None
            idle = [
                session
                for session, users in self._users.items()
                if users <= 0 and session != self._current
            ]
            for session in idle:
                del self._users[session]
            live = list(self._users)
        with self._db.write(shared=True) as tx:
            if idle:
                tx.execute(sa.delete(sessions).where(sessions.c.id.in_(idle)))
            if live:
                # One that has lapsed stays lapsed: the collector may have acted on it.
                tx.execute(
                    sa.update(sessions)
                    .where(sessions.c.id.in_(live), sessions.c.expires_at > to_micros(tx.now))
                    .values(expires_at=to_micros(tx.now + self._ttl))
                )

    def end_all(self) -> None:
        """End the sessions of everybody. For a process that knows it is alone: what one before it
        left behind when it crashed would keep garbage until it expires."""
        with self._db.write(shared=True) as tx:
            tx.execute(sa.delete(sessions))

    def close(self) -> None:
        """End all sessions of this process."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join()
        with self._lock:
            gone, self._users, self._current = list(self._users), {}, None
        if gone:
            with self._db.write(shared=True) as tx:
                tx.execute(sa.delete(sessions).where(sessions.c.id.in_(gone)))

    def _insert(self) -> int:
        with self._db.write(shared=True) as tx:
            row = {"started_at": to_micros(tx.now), "expires_at": to_micros(tx.now + self._ttl)}
            key = tx.execute(sa.insert(sessions).values(row)).inserted_primary_key
            if key is None:
                raise AssertionError("an insert returned no key")
            return int(key[0])

    def _start_keeper(self) -> None:
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="sessions", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        while not self._closing.wait(self._ttl.total_seconds() / 3):
            try:
                self.renew()
            except DassieError as error:
                _log.warning("cannot renew upload sessions, will try again: %s", error)


def check(tx: Tx, session: int) -> None:
    """Raise `Aborted` unless the session is live: first act of publishing what it stored."""
    expires = tx.execute(
        sa.select(sessions.c.expires_at).where(sessions.c.id == session)
    ).scalar_one_or_none()
    if expires is None or expires <= to_micros(tx.now):
        raise Aborted("the upload session expired before the upload was published: upload again")
