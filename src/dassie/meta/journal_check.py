"""Fsck of the journal: would a rebuild of the database get to the end? Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dassie.errors import DataLoss, NotFound
from dassie.meta.journal import ObjectStore, before
from dassie.meta.journal_format import (
    CHECKPOINT_PREFIX,
    JOURNAL_PREFIX,
    checkpoint_seq,
    decode_checkpoint,
    decode_journal,
    journal_span,
)

REMEDY: Final = (
    "the database cannot be rebuilt from the journal as it is: remove what is damaged of it and"
    " restart pachd, which writes a checkpoint instead"
)


def damage(store: ObjectStore) -> Iterator[str]:
    """One line for each object since the last whole checkpoint that is damaged or missing."""
    seen = 0
    for key in reversed([item.key for item in store.list(CHECKPOINT_PREFIX)]):
        try:
            for _ in decode_checkpoint(key, store.get(key)):
                pass
        except DataLoss as error:
            yield f"{error}: remove it"
        else:
            seen = checkpoint_seq(key)
            break
    for item in store.list(JOURNAL_PREFIX, after=before(seen)):
        last = journal_span(item.key)[1]
        if last <= seen:
            continue
        try:
            for entry in decode_journal(item.key, store.get(item.key)):
                if entry.seq > seen + 1:
                    missing = f"transactions {seen + 1} to {entry.seq - 1} of the journal"
                    yield f"{missing} are missing: {REMEDY}"
                seen = max(seen, entry.seq)
        except DataLoss as error:
            yield f"{error}: {REMEDY}"
            seen = last
        except NotFound:
            return  # the collector was here: a newer checkpoint has replaced it
