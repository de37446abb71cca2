"""What the nightly runs stated of a patient: the last published night with its reasons, and the risks of those before.

Whatever is wrong with a new run, the nights that were read before go on being told, and `trouble` says why it was not
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from wellkept.errors import StoreFailed
from wellkept.published import SCORED, Run, open_run
from wellkept.serving.answering import REASON, answer_of, stamp
from wellkept.serving.looking import Seen, look, nights_in


class Nights:
    """The published runs of a folder; None where there is no such folder.

    So many are kept open as `looking` looks at; one row group column of each is read for a patient.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: Mapping[str, Seen[Run]] = {}
        self.runs: tuple[Run, ...] = ()  # newest first
        self.trouble = ""

    def poll(self) -> None:
        """Look whether another run was published, and open it if it is sound."""
        if self._folder is None:
            return
        names, trouble = nights_in(self._folder, SCORED)
        if not names:
            self.trouble = trouble
            return
        seen: dict[str, Seen[Run]] = {}
        for name in names:
            seen[name] = self._look(self._folder / name, with_reasons=not any(s.night for s in seen.values()))
        self._seen, self.trouble = seen, next((s.trouble for s in seen.values() if s.trouble), "")
        self.runs = tuple(s.night for s in seen.values() if s.night)  # in one step: a request sees the old or the new

    def _look(self, folder: Path, *, with_reasons: bool) -> Seen[Run]:
        before = self._seen.get(folder.name)
        lacks = with_reasons and before is not None and before.night is not None and before.night.reasons is None
        return look(folder, before, partial(open_run, with_reasons=with_reasons), anew=lacks)

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
