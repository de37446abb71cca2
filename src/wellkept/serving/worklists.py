"""The steps of the last published night: the worklist page by page, and one patient's step.

Who is held out of a pilot is left out before anything else, so that no page, rank or handle tells of them. Whatever is
wrong with a new night, the one before it goes on being told, and `trouble` says why it was not taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.published_steps import RECOMMENDED, Steps, open_steps
from wellkept.recommending import for_coordinators
from wellkept.serving.looking import Seen, look, nights_in

VERSION = 12  # hexadecimal digits of a list's digest


class Worklist:
    """One night's list as coordinators see it, the highest rank first; `version` changes with any change of it."""

    def __init__(self, steps: Steps) -> None:
        self.as_of, self.models, self.version = steps.as_of, steps.models, steps.digest[:VERSION]
        self._all = for_coordinators(steps.table).combine_chunks()
        self._of_role = _by_role(self._all)

    def page(self, after: int, most: int, role: str | None = None) -> tuple[list[dict[str, Any]], bool]:
        """Rows below the rank `after`, of those that this role may do; and whether there are more."""
        mine = self._all if role is None else self._of_role.get(role, self._all.slice(0, 0))
        start = int(np.searchsorted(mine["rank"].to_numpy(), after, side="right"))
        return mine.slice(start, most).to_pylist(), start + most < mine.num_rows

    def of(self, subject_id: int) -> dict[str, Any] | None:
        """A patient's step; None for who gets none, whatever the reason."""
        place = pc.index(self._all["subject_id"], pa.scalar(subject_id, pa.int64())).as_py()
        return self._all.slice(place, 1).to_pylist()[0] if place >= 0 else None


class Worklists:
    """The newest sound list of a folder, where there is one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: Mapping[str, Seen[Worklist]] = {}
        self.current: Worklist | None = None
        self.trouble = ""

    def poll(self) -> None:
        """Look whether another night was published, and take it if it is sound."""
        if self._folder is None:
            return
        names, trouble = nights_in(self._folder, RECOMMENDED)
        if not names:
            self.trouble = trouble
            return
        seen: dict[str, Seen[Worklist]] = {}
        for name in names:
            seen[name] = look(self._folder / name, self._seen.get(name), lambda folder: Worklist(open_steps(folder)))
            if found := seen[name].night:
                self.current = found  # in one step: a request sees the old or the new
                break
        self._seen, self.trouble = seen, next((s.trouble for s in seen.values() if s.trouble), "")


def roles_of(roles: str) -> list[str]:
    """Who may do it, one by one."""
    return roles.split(", ")


def _by_role(table: pa.Table) -> dict[str, pa.Table]:
    """Role -> the rows that it may do, in their order."""
    told = table["roles"].combine_chunks()
    codes, texts = told.indices.to_numpy(), told.dictionary.to_pylist()
    roles = {role for text in texts for role in roles_of(text)}
    may = {role: [code for code, text in enumerate(texts) if role in roles_of(text)] for role in roles}
    return {role: table.filter(pa.array(np.isin(codes, some))).combine_chunks() for role, some in may.items()}
