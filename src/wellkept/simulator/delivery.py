"""What is sent: tables and their mappings, and small ways to change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from wellkept.simulator.hospital import Hospital, Tables


@dataclass(frozen=True)
class Delivery:
    """Tables by name, the mapping TOML of those that the reader reads, and the hospital that they come from."""

    tables: Tables
    mappings: dict[str, str]
    hospital: Hospital
    rng: np.random.Generator

    def with_table(self, name: str, table: pa.Table) -> Delivery:
        """The same with another table under that name."""
        return replace(self, tables=self.tables | {name: table})

    def with_mapping(self, name: str, text: str) -> Delivery:
        """The same with another mapping of that table."""
        return replace(self, mappings=self.mappings | {name: text})

    def with_column(self, name: str, column: str, values: pa.Array | np.ndarray, event: str) -> Delivery:
        """The same with one more column, and the event that its mapping makes of it."""
        told = f'{self.mappings[name]}\n[[event]]\n{event}\n'
        table = self.tables[name].append_column(column, pa.array(values))
        return self.with_table(name, table).with_mapping(name, told)

    def with_rows(self, name: str, rows: pa.Table) -> Delivery:
        """The same with more rows of the same columns at the end of a table."""
        whole = pa.concat_tables([self.tables[name], rows.select(self.tables[name].column_names)])
        return self.with_table(name, whole.unify_dictionaries())


Trap = Callable[[Delivery], Delivery]


def exchanged(table: pa.Table, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    """A table with other values in some of its columns."""
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table
