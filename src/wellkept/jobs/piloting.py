"""Pilots, from disk and settings: what a plan, a log and the journeys say of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wellkept.errors import SpecRefused
from wellkept.offering import interventions
from wellkept.pilots.plans import Pilot, load_pilot
from wellkept.settings import Settings


@dataclass(frozen=True)
class Trial:
    """A pilot and the secret that draws for it."""

    pilot: Pilot
    salt: str


def load_trial(path: Path, settings: Settings) -> Trial:
    """A pilot that this installation can draw for.

    Raises
    ------
    SpecRefused
        `pilot_salt`: there is no salt. Otherwise what is wrong with the TOML.
    """
    pilot = load_pilot(path, interventions())
    if settings.pilot_salt is None:
        message = ("WELLKEPT_PILOT_SALT is not set: a secret of at least 32 characters draws who is held out; make one "
                   "with `openssl rand -hex 32` and keep it until the pilot is read")  # fmt: skip
        raise SpecRefused("pilot_salt", message)
    return Trial(pilot, settings.pilot_salt.get_secret_value())
