"""CSV and parquet tables through a TOML mapping each.

A folder of exports and mappings in, one batch of events out. Rows that break a rule marked so are set aside with
their number and the rule; a file that breaks any other rule, or too many rows, refuses the whole batch.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from wellkept.contracts import Batch, Limits
from wellkept.errors import Breach, InputRefused, SpecRefused
from wellkept.eventing import events_of
from wellkept.mapping import EventMapping, TableMapping, load_mapping
from wellkept.rows import Rows
from wellkept.tabular import TableFile, read_manifest, read_table

SAYS = "CSV and parquet tables, each with a TOML that says how its rows become events"
TABLES = ("*.csv", "*.csv.gz", "*.parquet")


def read(path: Path, *, now: datetime, mapping: Path | None = None, limits: Limits = Limits()) -> Batch:
    """Read every mapped table of a folder.

    Parameters
    ----------
    path
        Folder of the tables, with `manifest.json` (rows and sha256 of each file) when the sender writes one.
    now
        Aware time of reading; events later than this are set aside.
    mapping
        One TOML or a folder of them; by default `path` itself.

    Raises
    ------
    InputRefused, InputHeld, SpecRefused
    """
    manifest = read_manifest(path)
    events: list[pa.Table] = []
    rejected: list[Breach] = []
    inputs: dict[str, str] = {}
    codes: dict[str, dict[str, str]] = {}
    rows: dict[str, int] = {}
    full: dict[str, int] = {}
    mapped: dict[str, list[EventMapping]] = {}
    lineage: dict[str, tuple[str, ...]] = {}
    notes = [] if manifest else ["no manifest.json: a table cut at a line end cannot be told from a whole one"]
    for toml, content in _mappings(mapping or path).items():
        table_mapping = load_mapping(toml)
        name = table_mapping.file
        if any(event in mapped.setdefault(name, []) for event in table_mapping.event):
            raise SpecRefused("mapping_twice", f"{toml.name} makes an event of {name} that another mapping makes, too: "
                              "it would come twice; take one of them away")  # fmt: skip
        mapped[name] += table_mapping.event
        file = read_table(path, name, max_bytes=limits.max_table_bytes, manifest=manifest,
                          delimiter=table_mapping.delimiter)
        made, breaches, told = _events(file, table_mapping, now, limits)
        events.append(made)
        rejected += breaches
        codes |= _words(table_mapping, made)
        lineage |= {code: (*lineage.get(code, ()), name) for code in made["code"].unique().to_pylist()}
        rows[name] = file.table.num_rows
        full |= {name: file.table.num_rows} if table_mapping.full_export else {}
        inputs[f"{name} by {toml.name}"] = f"{file.sha256}:{content}"
        notes += [f"{name}: its last line has no line end: was it cut?"] if file.open_end and not manifest else []
        notes += told
    notes += [f"{name}: no mapping reads it" for name in _unread(path, rows)]
    digest = hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest()
    return Batch("tables", digest, pa.concat_tables(events), sum(rows.values()), tuple(rejected), inputs, codes,
                 tuple(notes), full, lineage)


def _mappings(path: Path) -> dict[Path, str]:
    tomls = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not tomls or not tomls[0].is_file():
        raise SpecRefused("no_mapping", f"{path} holds no table mapping (*.toml): docs/mapping.md shows one")
    return {toml: hashlib.sha256(toml.read_bytes()).hexdigest() for toml in tomls}


def _events(
    file: TableFile, mapping: TableMapping, now: datetime, limits: Limits
) -> tuple[pa.Table, list[Breach], list[str]]:
    """The events of one table, what was set aside, and what a person should know."""
    if file.table.num_rows == 0:
        message = f"{mapping.file}: a header and no rows: an empty delivery is an alert; nothing was kept"
        raise InputRefused("no_rows", message, [Breach(mapping.file, 0, "no_rows")])
    rows = Rows(file.table, mapping, now)
    rows.check_expected()
    events, waiting = events_of(rows)
    breaches = rows.set_aside(limits.max_rejected_share)
    rows.hold_if_odd(limits.accept)
    name, unzoned = mapping.file, ", ".join(rows.unzoned)
    notes = [f"{name}: {waiting} events are known only after their delay: send them again then"] if waiting else []
    notes += [f"{name}: {unzoned}: no offset, read as UTC: say which `timezone` they are in"] if unzoned else []
    return events, breaches, notes


def _words(mapping: TableMapping, events: pa.Table) -> dict[str, dict[str, str]]:
    """Words and units that the mapping declares, by the codes that came of it."""
    return {
        code: {"says": event.says, "unit": event.unit}
        for code in events["code"].unique().to_pylist()
        for event in mapping.event
        if (event.says or event.unit) and event.names(code)
    }


def _unread(path: Path, read_ones: dict[str, int]) -> list[str]:
    there = {str(file.relative_to(path)) for pattern in TABLES for file in path.glob(pattern)}
    return sorted(there - set(read_ones))
