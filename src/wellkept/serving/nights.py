"""What the nightly runs stated of a patient: the last published night with its reasons, and the risks of those before.

Whatever is wrong with a new run, the nights that were read before go on being told, and `trouble` says why it was not
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from wellkept.errors import InputRefused, StoreFailed
from wellkept.published import NAME, Run, latest_folder, open_run
from wellkept.serving.answering import REASON, answer_of, stamp

NIGHTS = 30  # that are kept open; one row group column of each is read for a patient


@dataclass(frozen=True)
class _Seen:
    """A run's folder as it was looked at, and what is told of it: None where nothing sound was ever there."""

    mark: tuple
    run: Run | None
    trouble: str = ""


class Nights:
    """The published runs of a folder; None where there is no such folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: Mapping[str, _Seen] = {}
        self.runs: tuple[Run, ...] = ()  # newest first
        self.trouble = ""

    def poll(self) -> None:
        """Look whether another run was published, and open it if it is sound."""
        if self._folder is None:
            return
        try:
            newest = latest_folder(self._folder)
            there = sorted((p.name for p in self._folder.iterdir() if NAME.fullmatch(p.name)), reverse=True)
        except (InputRefused, OSError) as error:
            self.trouble = error.code if isinstance(error, InputRefused) else "unreadable"
            return
        names = list(dict.fromkeys([newest.name, *(name for name in there if name < newest.name)]))[:NIGHTS]
        seen: dict[str, _Seen] = {}
        for name in names:
            seen[name] = self._look(name, with_reasons=not any(s.run for s in seen.values()))
        self._seen, self.trouble = seen, next((s.trouble for s in seen.values() if s.trouble), "")
        self.runs = tuple(s.run for s in seen.values() if s.run)  # in one step: a request sees the old or the new

    def _look(self, name: str, *, with_reasons: bool) -> _Seen:
        assert self._folder is not None
        folder, before = self._folder / name, self._seen.get(name)
        mark = _mark(folder)
        if before and before.mark == mark and not (with_reasons and before.run and before.run.reasons is None):
            return before
        try:
            return _Seen(mark, open_run(folder, with_reasons=with_reasons))
        except InputRefused as error:
            return _Seen(mark, before.run if before else None, error.code)

    def of(self, subject_id: int) -> list[dict[str, Any]]:
        """All answers about a patient, newest first; the newest night's have their reasons.

        Raises
        ------
        StoreFailed
            `damaged_run`: a file was changed after it had been verified.
        """
        runs = self.runs
        try:
            return [answer for run in runs for answer in _answers(run, subject_id, is_newest=run is runs[0])]
        except (OSError, pa.ArrowException):
            raise StoreFailed("damaged_run", "a published run was changed after it was read: score again") from None


def _answers(run: Run, subject_id: int, *, is_newest: bool) -> list[dict[str, Any]]:
    scores, why = run.of_subject(subject_id, with_reasons=is_newest)
    return [_answer(row, why if is_newest else None) for row in scores]


def _answer(row: Mapping[str, Any], why: list[dict[str, Any]] | None) -> dict[str, Any]:
    """A row of a night, as the service answers one that it scores itself."""
    answer = answer_of({**row, "as_of": stamp(row["prediction_time"])})
    if row["encounter_id"]:
        answer["encounter_id"] = row["encounter_id"]
    if why is not None:
        told = (r for r in why if (r["target"], r["encounter_id"]) == (row["target"], row["encounter_id"]))
        answer["reasons"] = [{name: reason[name] for name in REASON} for reason in told]
    return answer


def _mark(folder: Path) -> tuple:
    """What changes when somebody touches a run."""
    try:
        return tuple((p.name, p.lstat().st_size, p.lstat().st_mtime_ns, p.lstat().st_ino)
                     for p in sorted(folder.iterdir()))  # fmt: skip
    except OSError:
        return ()
