"""Where and with what rights this installation runs; nothing here can change a prediction."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wellkept.errors import SpecRefused

SECRETS = Path("/run/secrets")  # where containers find their secrets: one file a variable, in small letters


class Settings(BaseSettings):
    """Read from the environment, each name with the prefix WELLKEPT_."""

    model_config = SettingsConfigDict(env_prefix="WELLKEPT_", frozen=True)

    models: Path = Field(Path("models"), description="folder of model TOMLs and exported bundles")
    mlruns: Path = Field(Path("mlruns"), description="folder of mlflow.db and its artifacts")
    threads: int = Field(0, ge=0, description="threads to use; 0 means as many as this process may")
    memory_limit: str = Field("3GB", pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$",
                              description="memory that one feature query may take before it spills")
    max_table_bytes: int = Field(4 * 2**30, description="largest input table, decompressed")
    max_rejected_share: float = Field(0.005, ge=0, le=1, description="share of rows that may be quarantined")
    subject_key: SecretStr | None = Field(None, description="key that turns outside ids into subject_id; "
                                          "by default each journey store draws its own")
    database: str = Field("sqlite:///service/wellkept.db", description="the service's database, an SQLAlchemy URL")
    pepper: SecretStr | None = Field(None, min_length=32, description="secret of this installation's keys, handles and "
                                     "audit; by default drawn once and kept beside a SQLite database")
    pilot_salt: SecretStr | None = Field(None, min_length=32, description="secret that draws who is held out of a "
                                         "pilot; it stays the same while one runs")
    journeys: Path | None = Field(None, description="the journey store that the service joins events with")
    scores: Path | None = Field(None, description="what `wellkept score` published: the nights that the service tells")
    steps: Path | None = Field(None, description="what `wellkept recommend` published: the worklist that the service "
                               "tells")
    hosts: tuple[str, ...] = Field(("localhost", "127.0.0.1", "[::1]"), description="Host headers that are answered")
    max_body_bytes: int = Field(2**20, gt=0, description="largest body of a request")
    max_patients: int = Field(500, gt=0, description="patients that one request may score")
    body_seconds: float = Field(5.0, gt=0, description="how long a client may take to send a body")
    deadline_seconds: float = Field(10.0, gt=0, description="how long an answer may take")
    waiting: int = Field(64, gt=0, description="requests that may wait for the scorer; more are answered 503")
    audit_sync: bool = Field(False, description="let each line of the audit wait for the disk, as live events do")
    per_minute: int = Field(60_000, gt=0, description="requests a minute of one key, in each worker")
    poll_seconds: float = Field(5.0, gt=0, description="how often the pointers of the models in service are read")
    invocations: str = Field("", description="the target that /invocations scores; not needed where there is one")


def load_settings() -> Settings:
    """Read them from the environment.

    Raises
    ------
    SpecRefused
        A variable's value makes no sense; it is named, and not shown.
    """
    try:
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as error:
        wrong = ", ".join(f"WELLKEPT_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SpecRefused("settings", f"the environment cannot be used: {wrong}") from None
