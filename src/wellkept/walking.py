"""Boosters as tables, and rows through them: where wellkept.pattern_kernel meets threads, or is not there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import xgboost

from wellkept.boosters import Misfit
from wellkept.learning import Explained
from wellkept.one_row import RowProgram
from wellkept.patterns import Program, compiled
from wellkept.threads import available_threads

logger = logging.getLogger(__name__)


def program_of(boosters: Sequence[xgboost.Booster]) -> Program | None:
    """The boosters as tables; None, with a line in the log, where they do not fit or there is no numba."""
    try:
        import wellkept.one_row_kernel  # noqa: F401

        return compiled(boosters)
    except (ImportError, Misfit) as why:
        logger.warning("Reasons are as exact, and a hundred times slower, for this model: %s", why)
        return None


def walked(program: Program, X: np.ndarray, topic: np.ndarray, start: np.ndarray, column: int) -> Explained:
    """What the tables say of rows, on as many threads as this process may use.

    Parameters
    ----------
    topic
        Shape (columns,): each column's topic, counted from 0, or negative for none.
    start, column
        What each row's `column` contributes beside the trees; nothing where `start` is empty. It is no part of margins.

    Raises
    ------
    ValueError
        The trees were made for another number of columns.
    """
    from wellkept.pattern_kernel import BLOCK, walk

    rows = len(X)
    told = _empty(rows, X, topic, len(program.member_base), int(program.entry_column[-1]))
    part = partial(
        walk, told.margins, told.contributions, told.agreement, np.ascontiguousarray(X, np.float32),
        program=program, start=start.astype(np.float32), column=column, topic=topic.astype(np.int32),
    )  # fmt: skip
    if rows <= BLOCK:  # few patients in a request: no thread is worth its start
        part(0, rows)
    else:
        threads = available_threads()
        ends = np.linspace(0, rows, threads + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, ends[:-1], ends[1:]))
    told.contributions[:, -1] = program.member_bias.mean()
    return told


def walked_alone(program: RowProgram, X: np.ndarray, topic: np.ndarray, start: np.ndarray, column: int) -> Explained:
    """As `walked` of one row, with its bits, in a fifth of the time."""
    from wellkept.one_row_kernel import walk_one

    told = _empty(1, X, topic, len(program.tables.member_base), program.columns)
    walk_one(told.margins, told.contributions, told.agreement, np.ascontiguousarray(X, np.float32), program.tables,
             start.astype(np.float32, copy=False), column, topic.astype(np.int32, copy=False))  # fmt: skip
    told.contributions[0, -1] = program.bias
    return told


def _empty(rows: int, X: np.ndarray, topic: np.ndarray, members: int, columns: int) -> Explained:
    if X.shape != (rows, columns) or topic.shape != (columns,):  # the loops check no bounds
        raise ValueError(f"{columns} columns are wanted, not {X.shape[1:]} with {topic.shape} topics")
    return Explained(np.empty((rows, columns + 1), np.float32),
                     np.empty((rows, int(topic.max(initial=-1)) + 1), np.float32),
                     np.empty((rows, members), np.float32))  # fmt: skip
