"""A night's steps as `wellkept recommend` published them: a folder in, the verified table of who gets what out.

The folder comes by one rename, and nothing of it is believed that was not looked at: bytes, columns, moment, ranks,
grades, and that nobody gets two steps. Who is held out of a pilot is in the table, for the log: whoever shows it to
somebody goes by `recommending.for_coordinators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wellkept.contracts import RECOMMENDATIONS
from wellkept.offering import GRADES
from wellkept.published import WRONG, damaged, manifest_of, name_of, verified

FILE = "recommendations.parquet"
RECOMMENDED = "`wellkept recommend`"


@dataclass(frozen=True)
class Origin:
    """Of which night, from which journeys (digest) and by which models (version by target) steps were made."""

    as_of: datetime
    journeys: str
    models: Mapping[str, str]


@dataclass(frozen=True)
class Steps:
    """One published night; `table` has the columns of RECOMMENDATIONS, texts as dictionaries; `digest` names it."""

    as_of: datetime
    models: tuple[str, ...]
    digest: str
    table: pa.Table


def open_steps(folder: Path) -> Steps:
    """Read a night's steps.

    Raises
    ------
    InputRefused
        `damaged_run`: it is not what was published, or no steps at all.
    """
    try:
        manifest = manifest_of(folder)
        as_of = datetime.fromisoformat(manifest["as_of"])
        digest = manifest["files"][FILE]["sha256"]
        models = tuple(sorted(map(str, manifest["models"].values())))
        table = _read(verified(folder, FILE, manifest))
        sound = as_of.tzinfo and folder.name == name_of(as_of.astimezone(UTC)) and _is_sound(table, as_of)
    except WRONG as error:
        raise damaged(folder, RECOMMENDED) from error
    if not sound:
        raise damaged(folder, RECOMMENDED)
    return Steps(as_of.astimezone(UTC), models, digest, table)


def _read(file: pq.ParquetFile) -> pa.Table:
    """The whole table; a title or script that thousands share is held once."""
    parts = [_encoded(RECOMMENDATIONS.check(file.read_row_group(i))) for i in range(file.metadata.num_row_groups)]
    return pa.concat_tables(parts or [_encoded(RECOMMENDATIONS.schema.empty_table())]).unify_dictionaries()


def _encoded(table: pa.Table) -> pa.Table:
    for i, name in enumerate(table.column_names):
        if pa.types.is_string(table.schema.field(name).type):
            table = table.set_column(i, name, table[name].dictionary_encode())
    return table


def _is_sound(table: pa.Table, as_of: datetime) -> bool:
    """Is it one list of this moment: ranked without a gap, held-out rows last, and one step a patient?"""
    rows = table.num_rows
    held, due = table["holdout"].to_numpy().astype(int), pc.min(table["due_at"]).as_py()
    return (
        np.array_equal(table["rank"].to_numpy(), np.arange(1, rows + 1))
        and bool((np.diff(held) >= 0).all())
        and pc.count_distinct(table["subject_id"]).as_py() == rows
        and set(pc.unique(table["prediction_time"]).to_pylist()) <= {as_of}
        and set(pc.unique(table["grade"]).to_pylist()) <= set(GRADES)
        and (due is None or due >= as_of)
        and bool((table["minutes"].to_numpy() >= 0).all())
    )
