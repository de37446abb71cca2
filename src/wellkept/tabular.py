"""Read one CSV or parquet file strictly: what comes out is what the sender wrote, or an error says where not.

CSV gives every column as text (identifiers such as ``00123`` stay what they are); parquet keeps its types. The
bytes are read once, so the digest is that of the very bytes that were parsed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from wellkept.errors import Breach, InputRefused

CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TableFile:
    """A table and the digest of the bytes that it was read from."""

    table: pa.Table
    sha256: str
    open_end: bool = False  # a CSV whose last line has no line end: one that was cut there looks just so


def read_manifest(folder: Path) -> Mapping[str, Mapping] | None:
    """`manifest.json` of a delivery (file -> rows, sha256), written by the sender after the files; None if absent."""
    path = folder / "manifest.json"
    if not path.exists():
        return None
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: {"rows": int(facts["rows"]), "sha256": str(facts["sha256"])} for name, facts in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = "it is no JSON object whose 'files' say 'rows' and 'sha256' of each"
        raise _refused(path.name, "manifest_mismatch", message) from None


def read_table(
    folder: Path, name: str, *, max_bytes: int, manifest: Mapping[str, Mapping] | None = None, delimiter: str = ","
) -> TableFile:
    """Read `folder/name`.

    Raises
    ------
    InputRefused
        With the rule as its code: path, missing_file, too_large, manifest_mismatch, empty_file, gzip, not_utf8,
        control_character, duplicate_column, row_width, row_count, parquet.
    """
    content = _bytes(_inside(folder, name), name, max_bytes)
    sha256 = hashlib.sha256(content).hexdigest()
    expected = _expected(manifest, name, sha256)
    if not content:
        raise _refused(name, "empty_file", "the file holds no bytes")
    open_end = False
    if name.endswith(".parquet"):
        table = _parquet(content, name, max_bytes)
    else:
        text = _unzipped(content, name, max_bytes)
        table, open_end = _csv(text, name, delimiter), not text.endswith(b"\n")
    if expected is not None and expected["rows"] != table.num_rows:
        raise _refused(name, "manifest_mismatch", f"{table.num_rows} rows, the manifest says {expected['rows']}")
    return TableFile(table, sha256, open_end)


def _refused(file: str, rule: str, message: str, row: int = 0) -> InputRefused:
    return InputRefused(rule, f"{file}: {message}; nothing was kept", [Breach(file, row, rule)])


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if path.resolve() != folder.resolve() / name or ".." in Path(name).parts or Path(name).is_absolute():
        raise _refused(name, "path", "a table is a plain file inside the folder: no link, no '..'")
    if not path.is_file():
        raise _refused(name, "missing_file", f"there is no such file in {folder}")
    return path


def _bytes(path: Path, name: str, max_bytes: int) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _refused(name, "too_large", f"more than {max_bytes} bytes (WELLKEPT_MAX_TABLE_BYTES)")
    return content


def _expected(manifest: Mapping[str, Mapping] | None, name: str, sha256: str) -> Mapping | None:
    if manifest is None:
        return None
    if name not in manifest or manifest[name].get("sha256") != sha256:
        raise _refused(name, "manifest_mismatch", "its sha256 is not the one in manifest.json: send it again")
    return manifest[name]


def _unzipped(content: bytes, name: str, max_bytes: int) -> bytes:
    if not name.endswith(".gz"):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            content = stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error):
        raise _refused(name, "gzip", "the gzip stream is cut or damaged") from None
    if len(content) > max_bytes:
        raise _refused(name, "too_large", f"more than {max_bytes} bytes when unpacked (WELLKEPT_MAX_TABLE_BYTES)")
    return content


def _parquet(content: bytes, name: str, max_bytes: int) -> pa.Table:
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            _check_size(file.metadata, name, max_bytes)
            table = file.read().replace_schema_metadata()
        table.validate(full=True)
        names = table.column_names
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        raise _refused(name, "parquet", "it cannot be read as parquet: cut or damaged") from None
    _check_names(names, name)
    return table


def _check_size(metadata: pq.FileMetaData, name: str, max_bytes: int) -> None:
    """Refuse what would unpack beyond the limit; a cell that was packed to nothing still counts as a byte."""
    packed = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if max(packed, metadata.num_rows * metadata.num_columns) > max_bytes:
        raise _refused(name, "too_large", f"more than {max_bytes} bytes when unpacked (WELLKEPT_MAX_TABLE_BYTES)")


def _csv(content: bytes, name: str, delimiter: str) -> pa.Table:
    content = content.removeprefix(BOM)
    _check_text(content, name)
    filled = (line for line in io.BytesIO(content) if line.strip(b"\r\n"))
    names = _header(next(filled, b""), name, delimiter)
    rows, wrong = _parse(content, names, delimiter, name)
    if wrong:
        breaches = [Breach(name, row, "row_width") for row in wrong]
        raise InputRefused("row_width", f"{name}: rows with more or fewer fields than the header", breaches)
    lines, last = 0, b""
    for lines, last in enumerate(filled, 1):  # noqa: B007 - the last of each is what is asked for
        pass
    if lines != rows.num_rows or rows.column_names != names or last.count(b'"') % 2:
        raise _refused(name, "row_count", f"{rows.num_rows} rows on {lines} lines: a quote is open somewhere")
    return rows


def _header(line: bytes, name: str, delimiter: str) -> list[str]:
    if not line:
        raise _refused(name, "empty_file", "the file holds no text")
    try:
        names = next(csv.reader([line.decode().rstrip("\r\n")], delimiter=delimiter, strict=True))
    except csv.Error:
        raise _refused(name, "row_count", "the header is not one line that ends in a line feed") from None
    _check_names(names, name)
    return names


def _check_text(content: bytes, name: str) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(name, "not_utf8", "the text is not UTF-8", content.count(b"\n", 0, error.start)) from None
    if found := CONTROL.search(content):
        row = content.count(b"\n", 0, found.start())
        raise _refused(name, "control_character", "a control character stands in the text", row)


def _check_names(names: list[str], file: str) -> None:
    """Names are told by their place: without a header line, they would be somebody's values."""
    wrong = [i for i, column in enumerate(names, 1) if not column.strip() or column in names[: i - 1]]
    if wrong:
        breaches = [Breach(file, 0, "duplicate_column", f"column {i}") for i in wrong]
        raise InputRefused("duplicate_column", f"{file}: column names must be there and differ", breaches)


def _parse(content: bytes, names: list[str], delimiter: str, file: str) -> tuple[pa.Table, list[int]]:
    wrong: list[int] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append((row.number or 1) - 1)
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=note),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        raise _refused(file, "row_count", "the rows cannot be told apart: a quote is open somewhere") from None
    return table, wrong
