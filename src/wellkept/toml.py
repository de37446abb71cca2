"""TOML files that people write, read into checked models."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from wellkept.errors import SpecRefused


class Strict(BaseModel):
    """Unknown keys are typing errors, so they are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def load_toml(path: Path, model: type[Model]) -> Model:
    """Read a TOML file into `model`.

    Raises
    ------
    SpecRefused
        It is not there, is no TOML, has unknown keys, or contradicts itself; the message names the place.
    """
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SpecRefused("no_file", f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecRefused("not_toml", f"{path} is not TOML: {error}") from error
    except SpecRefused as error:  # a validator's own: it knows the rule, and not which file
        raise SpecRefused(error.code, f"{path}: {error.args[0]}") from None
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SpecRefused("toml", f"{path} cannot be carried out: {places}") from error
