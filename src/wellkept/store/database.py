"""The service's database: opened, brought to this release, and asked whether it can be used."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from wellkept.errors import StoreFailed
from wellkept.files import write_text

HEAD = "0001"  # the newest script in migrations/versions
WAITS = 5.0  # seconds for another process's write


def open_database(url: str) -> Engine:
    """Connect to it, and make or upgrade its tables.

    Raises
    ------
    StoreFailed
        `database`: it cannot be reached or written; `schema`: it is of a newer release.
    """
    engine = connect(url)
    try:
        with engine.begin() as connection:
            upgrade(connection)
    except (SQLAlchemyError, StoreFailed) as error:
        engine.dispose()
        raise (failed(error) if isinstance(error, SQLAlchemyError) else error) from None
    return engine


def connect(url: str) -> Engine:
    """An engine that keeps what it was told to: on SQLite with a write-ahead log and a full sync at each commit."""
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        _own_folder(Path(parsed.database))
    arguments: dict[str, Any] = {"timeout": WAITS, "check_same_thread": False} if sqlite else {"connect_timeout": 5}
    engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=not sqlite, connect_args=arguments)
    if sqlite:
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode = WAL"))
        event.listen(engine, "checkout", lambda connection, *_: connection.execute("PRAGMA synchronous = FULL"))
    return engine


def upgrade(connection: Connection) -> None:
    """Run the scripts that this database has not seen yet."""
    at = schema_of(connection)
    if at == HEAD:
        return
    if at is not None and at > HEAD:
        raise StoreFailed("schema", f"the database is of a newer release ({at}) than this one ({HEAD}): upgrade first")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def schema_of(connection: Connection) -> str | None:
    """The release of its tables; None when it has none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def refuse_unless_ready(engine: Engine) -> None:
    """Raise StoreFailed (`database` or `schema`) unless it answers and is of this release."""
    with reading(engine) as connection:
        if schema_of(connection) != HEAD:
            raise StoreFailed("schema", f"the database is not of this release ({HEAD}): start `wellkept serve` again")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read from; whatever the database raises becomes StoreFailed, without its words."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise failed(error) from None


def failed(error: SQLAlchemyError) -> StoreFailed:
    """What may be said of a database's error: its class and SQLSTATE, since its words can hold a patient's values."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return StoreFailed("database", f"the database cannot be used: {type(error).__name__} {state}".rstrip())


def pepper_of(url: str, given: str | None) -> bytes:
    """The secret of this installation: as given, or drawn once and kept beside a SQLite database for its owner only.

    Raises
    ------
    StoreFailed
        `pepper`: the database is no file, so WELLKEPT_PEPPER must be set.
    """
    if given:
        return given.encode()
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise StoreFailed("pepper", "set WELLKEPT_PEPPER to 32 random characters or more: "
                          "python -c 'import secrets; print(secrets.token_hex(32))'")  # fmt: skip
    path = Path(parsed.database).with_suffix(".pepper")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_text(path, secrets.token_hex(32))
    return path.read_text(encoding="ascii").strip().encode()


def _own_folder(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)


def at_once(engine: Engine) -> Connection | None:
    """A connection for writes that wait for nothing: no lock, no sync and no checkpoint; None where there is no such.

    A commit into SQLite's write-ahead log is then a write into the system's memory. Others must make the checkpoints.
    """
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    connection = create_engine(
        engine.url, hide_parameters=True, connect_args={"timeout": 0, "check_same_thread": False}).connect()
    for pragma in ("synchronous = NORMAL", "wal_autocheckpoint = 0"):
        connection.exec_driver_sql(f"PRAGMA {pragma}")
    connection.commit()
    return connection


def without_sync(connection: Connection) -> None:
    """Let the transaction that begins here be committed before the disk has it: a killed process loses nothing of it,
    a power cut may lose the last moment.
    """
    sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("PRAGMA synchronous = NORMAL" if sqlite else "SET LOCAL synchronous_commit = off")
