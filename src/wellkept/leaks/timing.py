"""The last hours before a point, and the first after it, in; whether the model's skill hangs on them, out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wellkept.catalogue import query_of
from wellkept.contracts import TIME
from wellkept.encoding import Encoder
from wellkept.history import engine
from wellkept.labelling import sql_any_code
from wellkept.leaks.evidence import Evidence, Finding, auroc_difference, costliest, without
from wellkept.learning import Outcomes
from wellkept.logistic import fit_logistic
from wellkept.spec import Logistic

JUDGED, FITTED = 3000, 4000  # points, one a patient
CLIFF = 0.03
GAIN = 0.02
DAY = timedelta(days=1)
DAY_MICROS = 86_400_000_000
MODEL = Logistic(inverse_penalties=(0.01,))


def decay(evidence: Evidence) -> Finding:
    """Taking away what became known in the last day must not cost what taking away the last week does not.

    Moving the point itself back would lose the occasion (the visit that the point follows), and with it most of what
    there is to know: a cliff that is no leak. So the point stays, and only events known after its occasion go.
    """
    rows = evidence.sample(evidence.data.test_rows, JUDGED)
    each = evidence.spec.points.each
    if not each or evidence.few(rows):
        says = "too few labels to tell" if each else "[points] at: the points follow no occasion"
        return Finding("decay", None, None, CLIFF, "", says)
    full, label, subject = evidence.data.features.take(pa.array(rows)), evidence.data.label[rows], _subject(evidence)
    day, lost = _cut(evidence, rows, days=1)
    if not lost:
        return Finding("decay", None, None, CLIFF, "", "nothing became known in the day before a point, or since its "
                       "occasion: a cliff could not be seen")  # fmt: skip
    now = evidence.margins(full, rows)
    drop = auroc_difference(label, now, evidence.margins(day, rows), subject[rows])
    week = auroc_difference(label, now, evidence.margins(_cut(evidence, rows, days=7)[0], rows), subject[rows])
    says = f"AUROC lost without the last day {drop}, without the last 7 days {week} ({lost} events since the occasion)"
    if drop.low <= CLIFF or drop.value < week.value / 2:
        return Finding("decay", True, drop.value, CLIFF, "", says)
    topic = costliest(evidence.trained.encoder, lambda t: evidence.margins(t, rows), label, full, day)
    says += f": a cliff, most of it {topic}; see whether its time is when it could be read, and delay it in its mapping"
    return Finding("decay", False, drop.value, CLIFF, topic, says)


def day_later(evidence: Evidence) -> Finding:
    """Features of one day later must not be much better: what comes that day would be read by a late job.

    Left out are points whose label has begun to be known by then, and features that read the label's codes.
    """
    fit, judged = (_undecided(evidence, evidence.sample(r, n)) for r, n in (
        (evidence.fit_rows, FITTED), (evidence.judged_rows, JUDGED)))  # fmt: skip
    if not evidence.asked.codes or evidence.few(fit) or evidence.few(judged):
        return Finding("day_later", None, None, GAIN, "", "too few labels that are still open a day after the point")
    encoder = without(evidence.trained.encoder, evidence.asks_label)
    rows = np.concatenate([fit, judged])
    now, later = evidence.data.features.take(pa.array(rows)), _later(evidence, rows, encoder)
    mine, label, subject = rows[len(fit) :], evidence.data.label[judged], _subject(evidence)[judged]
    first = _scorer(evidence, encoder, now, rows, len(fit))
    second = _scorer(evidence, encoder, later, rows, len(fit))
    now, later = now.slice(len(fit)), later.slice(len(fit))
    gain = auroc_difference(label, second(later), first(now), subject)
    says = f"AUROC gained by features of one day later {gain} on {len(mine)} points whose label is open then"
    if gain.low <= GAIN:
        return Finding("day_later", True, gain.value, GAIN, "", says)
    topic = costliest(encoder, second, label, later, now)
    says += f", most of it by {topic}: prove from its source's arrival times that it is never read early, or delay it"
    return Finding("day_later", False, gain.value, GAIN, topic, says)


def _cut(evidence: Evidence, rows: np.ndarray, *, days: int) -> tuple[pa.Table, int]:
    """Features without what became known in the last `days` and after the occasion; and how many events that is."""
    points = evidence.points.take(pa.array(rows))
    occasion = f"CASE WHEN ({sql_any_code([evidence.spec.points.each])}) AND e.known <= p.moment THEN e.known END"
    kept = f"e.known <= GREATEST(p.moment - {days * DAY_MICROS}, o.occasion)"
    known = evidence.events_of(points, "e.known <= p.moment", occasion)
    left = evidence.events_of(points, kept, occasion)
    query = query_of(evidence.features)
    return query.run_on(left, points), known.num_rows - left.num_rows


def _undecided(evidence: Evidence, rows: np.ndarray) -> np.ndarray:
    """The rows of which no event of the label's codes comes in the day after the point, and which end later."""
    points = evidence.data.points.take(pa.array(rows))
    label = sql_any_code(list(evidence.asked.codes)) or "FALSE"
    count = engine.at_points(
        f"""SELECT p.point, COUNT(e.code) AS events FROM points p LEFT JOIN events e ON e.subject_id = p.subject_id
            AND ({label}) AND e.known > p.moment AND e.known <= p.moment + {DAY_MICROS} GROUP BY p.point""",
        evidence.snapshot, evidence.points.take(pa.array(rows)),
    )["events"].to_numpy()  # fmt: skip
    end = pc.add(points["prediction_time"], pa.scalar(DAY, pa.duration("us")))
    open_ = pc.and_(pc.greater(points["known_at"], end),
                    pc.less_equal(end, pa.scalar(evidence.snapshot.observed_until, TIME)))
    return rows[(count == 0) & pc.fill_null(open_, fill_value=False).to_numpy()]


def _later(evidence: Evidence, rows: np.ndarray, encoder: Encoder) -> pa.Table:
    points = evidence.points.take(pa.array(rows))
    end = pc.add(points["prediction_time"], pa.scalar(DAY, pa.duration("us")))
    points = points.set_column(points.column_names.index("prediction_time"), "prediction_time", end)
    return query_of(encoder.features).run(evidence.snapshot, points)


def _scorer(
    evidence: Evidence, encoder: Encoder, table: pa.Table, rows: np.ndarray, fitted: int
) -> Callable[[pa.Table], np.ndarray]:
    """A small logistic regression on the first `fitted` rows of a table, as a function of other tables."""
    fold = np.arange(fitted) % 2
    X = encoder.matrix(table.slice(0, fitted))
    outcomes = Outcomes(evidence.data.label[rows[:fitted]], np.ones(fitted), fold)
    model = fit_logistic(X, outcomes, 2, MODEL).estimator
    return lambda other: model.margins(encoder.matrix(other)).mean(1)


def _subject(evidence: Evidence) -> np.ndarray:
    return evidence.data.subject


