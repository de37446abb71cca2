"""Everything that Wellkept raises on purpose, in one tree.

::

    WellkeptError
    ├── InputRefused        what came in breaks a rule; nothing of it was kept
    │   ├── BodyUnreadable  the body of a request is no strict JSON
    │   └── InputHeld       it breaks no rule but looks wrong: a person must accept it
    ├── SpecRefused         a models/*.toml or a mapping cannot be carried out
    ├── BundleRefused       a model artefact is not exactly what was written
    ├── JourneysDamaged     the journey store is not exactly what was written
    ├── Busy                another process is writing here
    ├── StoreFailed         the service's database cannot be used, or is not of this release
    ├── KeyRefused          an API key cannot be made as asked for
    ├── LeakFound           a model knows what could not be known yet: a person must look
    ├── GateClosed          a model did not pass what a champion must pass: what is in service stays
    └── NotEnoughData       too little is known to state anything

Each class knows its exit code (command line) and its HTTP status (service); `wellkept monitor` ends with 10, which is
no error, where something is to be done. A message says what, where,
what was found and what to do; it never holds a patient's value, name or identifier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


class WellkeptError(Exception):
    """Root of the tree. `code` is the machine-readable rule that was broken."""

    exit_code = 1
    status = 500

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"[{self.code}] {self.args[0]}"


@dataclass(frozen=True, order=True)
class Breach:
    """One rule broken in one place. `row` counts data rows from 1; 0 means the file as a whole."""

    file: str
    row: int
    rule: str
    column: str = ""

    def __str__(self) -> str:
        place = f"{self.file} row {self.row}" if self.row else self.file
        return f"{place}: {self.rule}" + (f" ({self.column})" if self.column else "")


class InputRefused(WellkeptError):
    """What came in breaks a rule. Lists every breach found, up to a bound, and never a value."""

    exit_code = 2
    status = 422
    SHOWN = 20

    def __init__(self, code: str, message: str, breaches: Iterable[Breach] = ()) -> None:
        self.breaches = sorted(breaches)
        lines = [message, *(f"  {breach}" for breach in self.breaches[: self.SHOWN])]
        if len(self.breaches) > self.SHOWN:
            lines.append(f"  ... and {len(self.breaches) - self.SHOWN} more")
        super().__init__(code, "\n".join(lines))


class InputHeld(InputRefused):
    """No rule is broken, yet it looks wrong; whoever has looked can accept it with `--accept CODE`."""

    exit_code = 6
    status = 409


class BodyUnreadable(InputRefused):
    """A request's body is no strict JSON in UTF-8: its code says which rule of it is broken."""

    status = 400


class SpecRefused(WellkeptError):
    """A model's TOML or a table mapping cannot be carried out as written."""

    exit_code = 5
    status = 422


class BundleRefused(WellkeptError):
    """A bundle's file is missing, added, changed or does not do what it did when it was written."""

    exit_code = 3
    status = 503


class JourneysDamaged(WellkeptError):
    """The journey store does not hold what its manifest says."""

    exit_code = 4
    status = 503


class Busy(WellkeptError):
    """Another process holds the lock of what this one wants to write."""

    exit_code = 75
    status = 503


class StoreFailed(WellkeptError):
    """The service's database cannot be reached, is not of this release, or did not keep what it was given."""

    exit_code = 10
    status = 503


class KeyRefused(WellkeptError):
    """An API key cannot be made, found or revoked as asked for."""

    exit_code = 11
    status = 422


class NotEnoughData(WellkeptError):
    """Too few subjects or labels to do what was asked honestly."""

    exit_code = 7
    status = 422


class LeakFound(WellkeptError):
    """A leak test failed: nothing was registered. `code` is the test; whoever has looked can `--accept` it."""

    exit_code = 8
    status = 409

    def __init__(self, code: str, message: str, findings: Iterable[Any] = ()) -> None:
        super().__init__(code, message)
        self.findings = [asdict(finding) for finding in findings]


class GateClosed(WellkeptError):
    """A gate did not hold, or nobody signed: nothing was put into service. `code` is the first such gate."""

    exit_code = 9
    status = 409
