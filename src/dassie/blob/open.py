"""From settings to an object store. Called by the daemon's wiring and by workers.

The stack, outermost first: read cache > calls are counted > retry > limit > timeouts > requests are
counted > driver. Whoever puts more around a store puts it below the cache: what was read before
needs no store. Drivers and their libraries are imported when they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dassie.blob.api import BlobStore
from dassie.blob.drivers.folder import FolderStore
from dassie.blob.profile import Profile
from dassie.blob.settings import StorageSettings, parse_url
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.metrics import CALLS, REQUESTS, MeteredStore, Metrics
from dassie.errors import InvalidArgument


class Driver(Protocol):
    """A class that makes a store."""

    def __call__(self, settings: StorageSettings, profile: Profile) -> BlobStore: ...


def open_store(
    where: str | StorageSettings,
    profile: Profile | None = None,
    *,
    metrics: Metrics | None = None,
    around: Callable[[BlobStore], BlobStore] = lambda store: store,
) -> BlobStore:
    """The store that `where` (settings, or a URL of them) describes.

    `profile`: how it wants to be spoken to, as `blob.probe` found out; without one, what the
    settings pin, and for the rest what AWS does. `metrics` takes the counts. `around` puts
    something between the store and its cache.
    """
    settings = parse_url(where) if isinstance(where, str) else where
    if settings.kind == "file":
        store: BlobStore = FolderStore(settings.path)
        return around(MeteredStore(store, metrics, CALLS) if metrics else store)
    if not settings.bucket:
        raise InvalidArgument(f"storage {settings.kind}: no bucket is given")
    metrics = metrics or Metrics()
    store = around(_remote(settings, profile or assumed(settings), metrics))
    return _cached(store, settings, metrics)


def uncached(store: BlobStore) -> BlobStore:
    """The same store without its read cache, for those who check what the store really holds."""
    from dassie.blob.wrappers.cache import CachedStore

    below: BlobStore = store
    while isinstance(below, Wrapper):
        if isinstance(below, CachedStore):
            return below.inner
        below = below.inner
    return store


def assumed(settings: StorageSettings) -> Profile:
    """A profile from what was pinned, where nobody asked the store."""
    endpoint = settings.endpoint
    if endpoint and "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    return Profile(
        fingerprint=settings.fingerprint(),
        endpoint=endpoint,
        signature=settings.signature or "v4",
        region=settings.region or "us-east-1",
        addressing=settings.addressing or ("path" if endpoint else "virtual"),
        checksums=settings.checksums or "when_required",
        content_md5=settings.checksums == "md5",
    )


def driver_name(settings: StorageSettings, profile: Profile) -> str:
    """`obstore`, or `botocore` for what the former does not speak."""
    odd = profile.signature == "v2" or profile.content_md5 or profile.checksums == "md5"
    odd = odd or profile.list_version == 1 or not profile.ranges or not profile.multipart
    return "botocore" if settings.kind == "s3" and odd else "obstore"


def _remote(settings: StorageSettings, profile: Profile, metrics: Metrics) -> BlobStore:
    from dassie.blob.wrappers.limit import LimitedStore
    from dassie.blob.wrappers.retry import RetryPolicy, RetryStore
    from dassie.blob.wrappers.timeouts import TimeoutStore

    store = _driver(settings, profile)
    store = TimeoutStore(MeteredStore(store, metrics, REQUESTS), settings)
    store = LimitedStore(store, settings.concurrency, settings.part_bytes)
    policy = RetryPolicy(retries=settings.retries, total_s=2 * settings.request_timeout_s)
    store = RetryStore(store, policy, retried=metrics.retried)
    return MeteredStore(store, metrics, CALLS)


def _driver(settings: StorageSettings, profile: Profile) -> BlobStore:
    if driver_name(settings, profile) == "botocore":
        return _botocore(settings, profile)
    from dassie.blob.drivers.obstore import CertificateRefused, ObstoreStore

    store = ObstoreStore(settings, profile)
    if settings.kind != "s3" or not profile.endpoint.startswith("https://"):
        return store
    from dassie.blob.drivers.fallback import FallbackStore

    return FallbackStore(store, CertificateRefused, lambda: _botocore(settings, profile))


def _botocore(settings: StorageSettings, profile: Profile) -> BlobStore:
    from dassie.blob.drivers.botocore import BotocoreStore

    return BotocoreStore(settings, profile)


def _cached(store: BlobStore, settings: StorageSettings, metrics: Metrics) -> BlobStore:
    from dassie.blob.wrappers.blocks import MemoryShelf, Shelf
    from dassie.blob.wrappers.cache import CachedStore
    from dassie.blob.wrappers.disk import DiskShelf

    shelves: list[Shelf] = []
    if settings.cache_memory_bytes:
        shelves.append(MemoryShelf(settings.cache_memory_bytes))
    if settings.cache_folder and settings.cache_disk_bytes:
        shelves.append(DiskShelf(settings.cache_folder, settings.cache_disk_bytes))
    return CachedStore(store, shelves, metrics.count) if shelves else store
