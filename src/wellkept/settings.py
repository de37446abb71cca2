"""Where and with what rights this installation runs; nothing here can change a prediction."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wellkept.errors import SpecRefused


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


def load_settings() -> Settings:
    """Read them from the environment.

    Raises
    ------
    SpecRefused
        A variable's value makes no sense; it is named, and not shown.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = ", ".join(f"WELLKEPT_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SpecRefused("settings", f"the environment cannot be used: {wrong}") from None
