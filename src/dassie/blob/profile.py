"""What was learnt of a store: how it wants to be spoken to. Pure; kept beside the data as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dassie.errors import InvalidArgument

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """How to speak to one store. Everything here was seen in its answers, or was pinned."""

    fingerprint: str
    """Of the settings that it was learnt with (`StorageSettings.fingerprint`)."""
    endpoint: str = ""
    """With its scheme."""
    signature: str = "v4"
    region: str = "us-east-1"
    addressing: str = "path"
    checksums: str = "when_required"
    content_md5: bool = False
    """Batch deletes and puts carry Content-MD5."""
    conditional_put: str = ""
    """`yes`, `ignored` (it overwrites) or `refused`; never relied upon."""
    list_version: int = 2
    batch_delete: bool = True
    multipart: bool = True
    ranges: bool = True
    missing_key: str = "404"
    """`404`: a missing key can be told; `403`: the keys lack the right to list."""
    server: str = ""
    """What it calls itself."""
    skew_s: float = 0.0
    """Its clock minus ours."""

    def line(self) -> str:
        """One line for the log and for people."""
        said = [
            f"signature {self.signature.upper()}",
            f"region {self.region or '-'}",
            f"{self.addressing} addressing",
            f"checksums {self.checksums}",
            f"conditional put {self.conditional_put or 'not tried'}",
            f"list V{self.list_version}",
            "batch delete" if self.batch_delete else "single deletes",
            "multipart" if self.multipart else "no multipart",
            "ranges" if self.ranges else "no ranges",
            f"missing key {self.missing_key}",
        ]
        return ", ".join(said)

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """The profile, or `InvalidArgument` when it is none of this version."""
        try:
            value = json.loads(text)
            written = value.pop("format")
            found = cls(**value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidArgument(f"not a storage profile: {error}") from None
        if written != FORMAT:
            raise InvalidArgument(f"a storage profile of format {written}, not {FORMAT}")
        return found
