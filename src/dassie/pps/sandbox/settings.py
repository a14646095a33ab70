"""What an administrator may say about sandboxes. Pure.

The daemon's configuration makes one, the executor passes it on as JSON, the worker acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dassie.errors import InvalidArgument

BWRAP: Final = "bwrap"
PLAIN: Final = "plain"
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """mode: `bwrap` = namespaces or no worker at all; `plain` = ordinary processes without any
        protection; `auto` = namespaces where the kernel allows them, else plain.
    read_only: further paths that user code sees, as `PATH` or `PATH:PATH_INSIDE`.
    devices: device files that user code may use (`/dev/nvidia0`).
    network: False takes the network away from user code.
    hidden: the server's own folders, covered where a shared folder would show them.
    """

    mode: str = BWRAP
    read_only: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    network: bool = True
    hidden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in (BWRAP, PLAIN, AUTO):
            raise InvalidArgument(f"sandbox mode {self.mode!r} is none of bwrap, plain, auto")
        for path in (*self.read_only, *self.devices, *self.hidden):
            if not path.startswith("/"):
                raise InvalidArgument(f"sandbox path {path!r} is not absolute")

    def to_json(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "read_only": list(self.read_only),
            "devices": list(self.devices),
            "network": self.network,
            "hidden": list(self.hidden),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SandboxSettings:
        return cls(
            mode=value.get("mode", BWRAP),
            read_only=tuple(value.get("read_only", ())),
            devices=tuple(value.get("devices", ())),
            network=value.get("network", True),
            hidden=tuple(value.get("hidden", ())),
        )
