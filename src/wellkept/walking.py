"""Boosters as tables, and rows through them: where wellkept.pattern_kernel meets threads, or is not there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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


def walked(
    program: Program, X: np.ndarray, topic: np.ndarray, start: np.ndarray, column: int,
    for_one: Callable[[], RowProgram] | None = None,
) -> Explained:  # fmt: skip
    """What the tables say of rows, on as many threads as this process may use.

    Parameters
    ----------
    for_one
        Gives the program as `wellkept.one_row` lays it out, by which a row alone goes; its bits are the same.
    topic
        Shape (columns,): each column's topic, counted from 0, or negative for none.
    start, column
        What each row's `column` contributes beside the trees; nothing where `start` is empty. It is no part of margins.

    Raises
    ------
    ValueError
        The trees were made for another number of columns.
    """
    from wellkept.one_row_kernel import walk_one
    from wellkept.pattern_kernel import BLOCK, walk

    rows, columns = len(X), int(program.entry_column[-1])
    if X.shape != (rows, columns) or topic.shape != (columns,):  # the loops check no bounds
        raise ValueError(f"{columns} columns are wanted, not {X.shape[1:]} with {topic.shape} topics")
    widths = columns + 1, int(topic.max(initial=-1)) + 1, len(program.member_base)
    told = Explained(*(np.empty((rows, width), np.float32) for width in widths))
    X, start, topic = np.ascontiguousarray(X, np.float32), start.astype(np.float32), topic.astype(np.int32, copy=False)
    part = partial(
        walk, told.margins, told.contributions, told.agreement, X,
        program=program, start=start, column=column, topic=topic,
    )  # fmt: skip
    if rows == 1 and for_one is not None:
        walk_one(told.margins, told.contributions, told.agreement, X, for_one(), start, column, topic)
    elif rows <= BLOCK:  # few patients in a request: no thread is worth its start
        part(0, rows)
    else:
        threads = available_threads()
        ends = np.linspace(0, rows, threads + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, ends[:-1], ends[1:]))
    told.contributions[:, -1] = program.member_bias.mean()
    return told
