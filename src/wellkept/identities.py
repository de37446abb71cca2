"""Events under outside identifiers in, the same events under `subject_id` out, and the file that knows both.

This is the only module that sees an outside identifier (MRN) after a source has read it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.errors import InputRefused
from wellkept.files import write_named, write_text
from wellkept.snapshots import verify


class Identities:
    """Who is who in one store.

    Parameters
    ----------
    key
        Secret that turns outside identifiers into `subject_id`; drawn and kept in the store by default.
    known
        Entry of the subjects' file in the manifest in force, if there is one.
    """

    def __init__(self, folder: Path, key: str | None, known: Mapping | None) -> None:
        self._folder, self._key, self._known = folder, key, known
        self._drawn = ""
        self._table: pa.Table | None = None

    def identify(self, events: pa.Table) -> pa.Table:
        """Replace `outside_id` by `subject_id`; events that have one already are given back as they are.

        Raises
        ------
        InputRefused
            `subject_key`: the store was written with another key. `subject_collision`: two got one `subject_id`.
        """
        if "outside_id" not in events.column_names:
            return events
        outside = events["outside_id"].combine_chunks().dictionary_encode()
        ids = pa.array(subject_ids(outside.dictionary.to_pylist(), self._secret()), pa.int64())
        self._table = self._with_known(pa.table({"outside_id": outside.dictionary, "subject_id": ids}))
        return events.drop_columns(["outside_id"]).append_column("subject_id", ids.take(outside.indices))

    def write(self) -> Mapping | None:
        """Keep what was identified; gives the entry for the manifest."""
        if self._drawn:
            write_text(self._folder / "key", self._drawn)
        return write_named(self._table, self._folder, "subjects") if self._table else self._known

    def _with_known(self, new: pa.Table) -> pa.Table:
        if self._known:
            old_path = self._folder / self._known["name"]
            verify(old_path, self._known["sha256"])
            new = pa.concat_tables([pq.read_table(old_path), new])
        merged = new.group_by(["outside_id", "subject_id"]).aggregate([]).sort_by("outside_id")
        if pc.count_distinct(merged["outside_id"]).as_py() != merged.num_rows:
            raise InputRefused("subject_key", "the store was written with another key: set its WELLKEPT_SUBJECT_KEY")
        if pc.count_distinct(merged["subject_id"]).as_py() != merged.num_rows:
            raise InputRefused("subject_collision", "two outside ids got one subject_id: set WELLKEPT_SUBJECT_KEY")
        return merged

    def _secret(self) -> bytes:
        if self._key is not None:
            return self._key.encode()
        path = self._folder / "key"
        if path.exists():
            return path.read_text(encoding="utf-8").strip().encode()
        self._drawn = self._drawn or secrets.token_hex(32)
        return self._drawn.encode()


def subject_ids(outside_ids: list[str], key: bytes) -> np.ndarray:
    """Pseudonyms: the first 63 bits of BLAKE2b keyed with the store's secret, in the order given.

    They carry no order and cannot be turned back, or guessed from a list of identifiers, without the key.
    """
    keyed = hashlib.blake2b(key=hashlib.sha256(key).digest(), digest_size=8)

    def one(outside_id: str) -> int:
        state = keyed.copy()
        state.update(outside_id.encode())
        return int.from_bytes(state.digest(), "big") >> 1

    return np.fromiter((one(i) for i in outside_ids), dtype=np.int64, count=len(outside_ids))
