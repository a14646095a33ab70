"""Wake-ups after commits: who waits for a change of some kind sleeps here instead of polling.

A topic is a channel (`commits`) or a channel with a payload (`logs:default/edges`). A wake-up
carries nothing: whoever wakes reads the database again. Any number of changes between two waits is
one wake-up. Subscribe first, then read, then wait, and nothing is missed. With PostgreSQL,
`PostgresBridge` carries wake-ups between processes; a wake-up too many is harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from dassie.base.ids import new_id

if TYPE_CHECKING:
    import psycopg

_log = logging.getLogger(__name__)

_PG_CHANNEL: Final = "dassie"
_RECONNECT_S: Final = 1.0

Topic = tuple[str, str]
"""Channel and payload of one notification."""


class Subscription:
    """One waiter. Not for several threads at once."""

    def __init__(self, notifier: Notifier, topics: Iterable[str]) -> None:
        self._notifier = notifier
        self._topics = frozenset(topics)
        self._flag = threading.Event()
        self._lock = threading.Lock()
        self._async: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def topics(self) -> frozenset[str]:
        return self._topics

    def wait(self, timeout: float | None = None) -> bool:
        """Block until something was notified since the last wait; `False` when time ran out."""
        woken = self._flag.wait(timeout)
        self._flag.clear()
        return woken

    async def wait_async(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """`wait` for coroutines."""
        with self._lock:
            if self._async is None:
                self._async = (asyncio.get_running_loop(), asyncio.Event())
            event = self._async[1]
        if not self._flag.is_set():
            try:
                await asyncio.wait_for(event.wait(), timeout)
            except TimeoutError:
                return False
        event.clear()
        self._flag.clear()
        return True

    def wake(self) -> None:
        """Make the next (or current) wait return."""
        if self._flag.is_set():
            return
        self._flag.set()
        with self._lock:
            target = self._async
        if target is not None and not target[0].is_closed():
            target[0].call_soon_threadsafe(target[1].set)

    def close(self) -> None:
        """Stop listening."""
        self._notifier.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Notifier:
    """Who waits for what, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Subscription]] = {}

    def subscribe(self, *topics: str) -> Subscription:
        """Listen from now on; close it, or use it as a context manager."""
        subscription = Subscription(self, topics)
        with self._lock:
            for topic in topics:
                self._waiting.setdefault(topic, set()).add(subscription)
        return subscription

    def publish(self, topics: Iterable[Topic]) -> None:
        """Wake everyone who listens to one of these."""
        with self._lock:
            if not self._waiting:
                return
            woken: set[Subscription] = set()
            for channel, payload in topics:
                woken |= self._waiting.get(channel, set())
                if payload:
                    woken |= self._waiting.get(f"{channel}:{payload}", set())
        for subscription in woken:
            subscription.wake()

    def wake_all(self) -> None:
        """Wake everyone: something may have been missed, or the end has come."""
        with self._lock:
            woken = set().union(*self._waiting.values())
        for subscription in woken:
            subscription.wake()

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        with self._lock:
            for topic in subscription.topics:
                group = self._waiting.get(topic)
                if group is not None:
                    group.discard(subscription)
                    if not group:
                        del self._waiting[topic]


class PostgresBridge:
    """Carries wake-ups between the processes that share one PostgreSQL database."""

    def __init__(self, dsn: str, notifier: Notifier) -> None:
        self._dsn = dsn
        self._notifier = notifier
        self._me = new_id()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
        self._thread.start()

    def message(self, topic: Topic) -> str:
        """What `pg_notify` sends for a topic."""
        return f"{self._me} {topic[0]} {topic[1]}"

    @property
    def channel(self) -> str:
        return _PG_CHANNEL

    def wait_ready(self, timeout: float) -> bool:
        """Whether the listening connection stands."""
        return self._ready.wait(timeout)

    def close(self) -> None:
        """End the listening thread."""
        import psycopg

        self._stop.set()
        # A notification of its own ends its wait at once; without, the wait ends by itself.
        with contextlib.suppress(psycopg.Error), psycopg.connect(self._dsn) as connection:
            connection.execute(f"NOTIFY {_PG_CHANNEL}")
        self._thread.join(timeout=5)

    def _run(self) -> None:
        import psycopg

        while not self._stop.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    connection.execute(f"LISTEN {_PG_CHANNEL}")
                    # What was notified while nobody listened is lost: let everyone look.
                    self._notifier.wake_all()
                    self._ready.set()
                    self._listen(connection)
            except psycopg.Error as error:
                if not self._stop.is_set():
                    _log.warning("listening to PostgreSQL failed, trying again: %s", error)
                    self._stop.wait(_RECONNECT_S)

    def _listen(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        while not self._stop.is_set():
            for note in connection.notifies(timeout=0.5, stop_after=1):
                sender, _, rest = note.payload.partition(" ")
                if sender != self._me:
                    channel, _, payload = rest.partition(" ")
                    self._notifier.publish([(channel, payload)])
