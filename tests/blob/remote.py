"""Which drivers run against which real stores, and what is particular about each store."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dassie.blob.api import BlobStore
from dassie.blob.drivers.botocore import BotocoreStore
from dassie.blob.drivers.obstore import ObstoreStore
from dassie.blob.open import open_store
from dassie.blob.profile import Profile
from dassie.blob.wrappers.retry import RetryPolicy, RetryStore
from tests.stores import EVERY_CASE, NAMES, RunningStore

_NUMBERS = itertools.count(1)

FOLDERS = frozenset({"rclone", "minio", "versitygw"})
"""Stores over a tree of folders: a key cannot also be the folder of others."""
MAKES_BUCKETS = frozenset({"seaweedfs"})
"""Stores that make a missing bucket instead of refusing."""
SERVERS = {"seaweedfs": "SeaweedFS"}
WANTS_MD5 = frozenset({"swift-old", "minio"})
MULTIPART_MIN = 5 << 20


@dataclass(frozen=True)
class Case:
    """One store, one way of reaching it."""

    store: str
    driver: str
    """`obstore`, `botocore`, or `open`: the whole stack of `open_store`."""
    signature: str = "v4"
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.store}-{self.driver}-{self.signature}{'-tls' if self.tls else ''}"


def _cases() -> list[Case]:
    cases = []
    for name in NAMES:
        cases += [Case(name, "obstore"), Case(name, "botocore")]
        if name not in {"rclone", "versitygw", "garage"}:
            cases.append(Case(name, "botocore", "v2"))
    cases += [Case("swift", "obstore", tls=True), Case("swift", "botocore", "v2", tls=True)]
    cases += [Case("rclone", "botocore", tls=True), Case("seaweedfs", "open", tls=True)]
    return cases


LEAN = [
    Case("swift", "obstore"),
    Case("swift", "botocore", "v2", tls=True),
    Case("swift-old", "botocore"),
    Case("seaweedfs", "open", tls=True),
    Case("rclone", "botocore"),
]
"""Each store by the driver that its profile chooses, each driver and signature once."""


CASES = [
    pytest.param(case, id=str(case), marks=pytest.mark.stores)
    for case in _cases()
    if EVERY_CASE or case in LEAN
]


def profile_of(store: RunningStore, signature: str = "v4", **more: Any) -> Profile:
    """What the probe finds out about this store."""
    profile = Profile(
        fingerprint="",
        endpoint=store.endpoint,
        signature=signature,
        region=store.region or "us-east-1",
        content_md5=store.name in WANTS_MD5,
        server=SERVERS.get(store.name, ""),
    )
    return replace(profile, **more)


def connect(store: RunningStore, case: Case, prefix: str = "", **settings: Any) -> BlobStore:
    """A driver on `store`, under a prefix of its own unless one is given.

    As everywhere outside these tests it tries again what passes: `rclone serve` answers 500 to one
    of two PUTs that make the same folder at once.
    """
    chosen = store.settings(prefix or f"t{next(_NUMBERS)}/x", **settings)
    profile = profile_of(store, case.signature)
    if case.driver == "open":
        return open_store(chosen, profile)
    driver = ObstoreStore if case.driver == "obstore" else BotocoreStore
    return RetryStore(driver(chosen, profile), RetryPolicy(first_s=0.05))
