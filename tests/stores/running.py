"""A store that runs, as tests see it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dassie.blob.settings import StorageSettings
from tests.stores.processes import Program

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class RunningStore:
    """One real object store on loopback, with one empty bucket."""

    name: str
    endpoint: str
    """With its scheme."""
    access_key: str
    secret_key: str = field(repr=False)
    region: str = ""
    """The region that it enforces; empty: any will do."""
    bucket: str = "dassie"
    tls: bool = False
    ca_file: str = ""
    folder: Path = Path()
    program: Program | None = field(default=None, repr=False)
    other_keys: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Keys with fewer rights: `reader` (no writes), `nolist` (no listing), `nobody` (nothing)."""
    twin: RunningStore | None = field(default=None, repr=False)
    """The same store over TLS, or over plain HTTP."""
    v2: bool = True
    """Whether it knows signature V2."""
    v4: bool = True

    @property
    def pids(self) -> Sequence[int]:
        return [self.program.pid] if self.program else []

    @property
    def address(self) -> str:
        """`host:port`."""
        return self.endpoint.partition("://")[2]

    def url(self, prefix: str = "", **parameters: str) -> str:
        """What `pachd --storage` takes."""
        given = {"endpoint": self.endpoint, **({"ca_file": self.ca_file} if self.tls else {})}
        query = "&".join(f"{k}={quote(v)}" for k, v in {**given, **parameters}.items())
        return f"s3://{self.bucket}/{prefix}?{query}"

    @property
    def environment(self) -> dict[str, str]:
        """Its credentials in the variables that everybody reads."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def settings(self, prefix: str = "", **more: Any) -> StorageSettings:
        """Storage settings for it: everything left to find out that can be."""
        made = StorageSettings(
            "s3",
            bucket=self.bucket,
            prefix=prefix,
            endpoint=self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            ca_file=self.ca_file,
        )
        return replace(made, **more)

    def behind(self, endpoint: str, ca_file: str = "") -> RunningStore:
        """The same store, reached through `endpoint` (a proxy)."""
        tls = endpoint.startswith("https:")
        return replace(self, endpoint=endpoint, tls=tls, ca_file=ca_file, twin=None)

    def client(self, **more: Any) -> Any:
        """A plain botocore client, to look at and prepare the store from outside of Dassie."""
        import botocore.session
        from botocore.config import Config

        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 2},
            connect_timeout=5,
            read_timeout=30,
        )
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region or "us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=self.ca_file or None,
            config=config.merge(Config(**more)),
        )

    def new_bucket(self, name: str = "") -> RunningStore:
        """The same store with another, empty bucket."""
        name = name or f"bucket-{next(_NUMBERS)}"
        self.client().create_bucket(Bucket=name)
        twin = replace(self.twin, bucket=name, twin=None) if self.twin else None
        return replace(self, bucket=name, twin=twin)

    def keys(self, prefix: str = "") -> list[str]:
        """All keys in the bucket, seen from outside of Dassie."""
        client, found, marker = self.client(), [], ""
        while True:
            page = client.list_objects(Bucket=self.bucket, Prefix=prefix, Marker=marker)
            found += [item["Key"] for item in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return found
            marker = found[-1]
