"""Results of datums, as workers report them and as rows of `datum_tasks` keep them. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from dassie.pps.datums import DatumStats, encode_node
from dassie.pps.states import DatumState
from dassie.storage.types import Dir


@dataclass(frozen=True, slots=True)
class Result:
    """How one datum ended. `output` is what a successful try left; `started_us`: epoch."""

    state: DatumState
    reason: str = ""
    output: Dir | None = None
    stats: DatumStats = field(default=DatumStats())
    tries: int = 0
    started_us: int = 0

    def to_json(self) -> str:
        stats = self.stats
        raw: dict[str, Any] = {
            "stats": [
                stats.download_us,
                stats.process_us,
                stats.upload_us,
                stats.download_bytes,
                stats.upload_bytes,
            ],
            "tries": self.tries,
            "started": self.started_us,
        }
        if self.reason:
            raw["reason"] = self.reason
        if self.output is not None and self.output.files:
            raw["output"] = encode_node(self.output)
        return json.dumps(raw, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, state: int, text: str) -> Result:
        """The inverse of `to_json`; the state has a column of its own."""
        raw = json.loads(text)
        return cls(
            DatumState(state),
            raw.get("reason", ""),
            output_of(raw),
            DatumStats(*raw["stats"]),
            raw["tries"],
            raw["started"],
        )


def output_of(raw: dict[str, Any]) -> Dir | None:
    """The output tree of a result's JSON; `None` when the datum wrote nothing."""
    node = raw.get("output")
    if node is None:
        return None
    ref = bytes.fromhex(node["ref"]) if "ref" in node else None
    return Dir(bytes.fromhex(node["hash"]), ref, node["size"], node["files"])
