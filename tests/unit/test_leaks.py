"""Each leak test finds the leak that is planted for it and names it; clean journeys raise no alarm.

Two worlds. In `asked`, visits are followed by a survey that 40 % answer, unhappy as their waits were long. In
`leaving`, patients come every month or so until they leave.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import batch_of, events_table
from wellkept.errors import LeakFound, SpecRefused
from wellkept.examples import examples
from wellkept.history import FeatureQuery
from wellkept.journeys import Journeys, Snapshot
from wellkept.leaks import CHECKS, Evidence, Finding, check_leaks, facts_of, lines_of, refuse_leaks
from wellkept.leaks.evidence import auroc, auroc_difference, auroc_estimate
from wellkept.spec import Spec
from wellkept.training import train

FAST = {"trees": {"rounds": 20, "learning_rate": 0.2, "columns": 1.0}, "logistic": {"inverse_penalties": [0.1]}}
ASKED = {
    "target": "unhappy", "points": {"each": "VISIT", "after": ["24h"]},
    "label": {"true_when": "ANSWER <= 6 within 20d"}, "automatic": {"windows": ["90d"]}, **FAST,
}  # fmt: skip
LEAVING = {
    "target": "gone", "points": {"each": "VISIT", "after": ["24h"]},
    "label": {"true_when": "no event of VISIT within 100d"}, "automatic": {"windows": ["90d"]}, **FAST,
}  # fmt: skip
Plant = Callable[[np.random.Generator, dict], list[dict]]


def nothing(random: np.random.Generator, visit: dict) -> list[dict]:
    return []


def asked(folder: Path, plant: Plant = nothing, *, seed: int = 1, sort_ids: bool = False, **facts) -> Snapshot:
    """Two visits a patient; `plant` adds events to one, of which it knows all, also what is not known yet."""
    random = np.random.default_rng(seed)
    by_subject, means = [], []
    for subject in range(1500):
        rows: list[dict] = [{"time": None, "code": "SEX", "text_value": str(random.choice(["F", "M"]))}]
        unhappy = []
        for number, start in enumerate(random.uniform(0, 300, 2)):
            wait = random.normal()
            visit = {"start": start, "encounter_id": f"{subject}-{number}", "answered": random.random() < 0.4,
                     "unhappy": random.random() < 1 / (1 + np.exp(0.5 - 1.2 * wait))}  # fmt: skip
            unhappy.append(visit["unhappy"] and visit["answered"])
            own = [{"time": start, "code": "WAIT", "numeric_value": wait}, {"time": start, "code": "VISIT"}]
            if random.random() < (0.3 if visit["unhappy"] else 0.15):
                own.append({"time": start + random.uniform(0.1, 5), "code": "COMPLAINT"})
            if visit["answered"]:
                score = 3 if visit["unhappy"] else 9
                own.append({"time": start + 6, "event_at": start + 5, "code": "ANSWER", "numeric_value": score})
            rows += [{"encounter_id": visit["encounter_id"], **row} for row in (*own, *plant(random, visit))]
        by_subject.append(rows)
        means.append(np.mean(unhappy))
    order = np.argsort(means, kind="stable") if sort_ids else np.arange(len(means))
    rows = [{"subject_id": n, **row} for n, subject in enumerate(order) for row in by_subject[subject]]
    return landed(folder, [*rows, {"subject_id": 10**6, "time": 400, "code": "THE END"}], **facts)


def leaving(folder: Path, fact: str, *, seed: int = 1) -> Snapshot:
    """A visit every 40 days or so until a patient leaves; `fact` is a static code: sex, or the account's state."""
    random = np.random.default_rng(seed)
    rows = []
    for subject in range(500):
        leaves = random.uniform(50, 500)
        state = "closed" if leaves < 300 else "open"
        said = state if fact == "STATUS" else str(random.choice(["F", "M"]))
        rows.append({"subject_id": subject, "time": None, "code": fact, "text_value": said})
        now = random.uniform(0, 40)
        while now < min(leaves, 400):
            rows.append({"subject_id": subject, "time": now, "code": "VISIT"})
            rows.append({"subject_id": subject, "time": now, "code": "WAIT", "numeric_value": random.normal()})
            now += random.uniform(20, 60)
    return landed(folder, [*rows, {"subject_id": 10**6, "time": 400, "code": "THE END"}])


def pausing(folder: Path, *, honest: bool, seed: int = 1) -> Snapshot:
    """Three years of visits; patients pause for half a year or leave, and many of them cancel after the visit before.

    Honest cancellations come before both alike. Others were added when an account was closed, dated at the last visit.
    """
    random = np.random.default_rng(seed)
    rows = []
    for subject in range(800):
        now, leaves = random.uniform(0, 300), random.uniform(100, 1500)
        while now < min(leaves, 1100):
            pause = random.random() < 0.3
            following = now + (random.uniform(150, 250) if pause else random.uniform(20, 60))
            closed = following > leaves and now < 1100 - 365
            cancels = random.random() < 0.8 * (pause or following > leaves) if honest else closed
            rows.append({"subject_id": subject, "time": now, "code": "VISIT"})
            rows += [{"subject_id": subject, "time": now + 0.5, "code": "CANCELLED"}] if cancels else []
            now = following
    return landed(folder, [*rows, {"subject_id": 10**6, "time": 1100, "code": "THE END"}])


def landed(folder: Path, rows: list[dict], **facts) -> Snapshot:
    store = Journeys(folder / "journeys", shards=2, key="test")
    store.land(batch_of(events_table(rows), **facts))
    return store.snapshot()


def evidence_of(snapshot: Snapshot, spec: dict) -> Evidence:
    read = Spec(**spec)
    data = examples(snapshot, read)
    return Evidence(snapshot, read, data, train(data, read))


def found(check: str, snapshot: Snapshot, spec: dict = ASKED, **more) -> Finding:
    return CHECKS[check](evidence_of(snapshot, {**spec, **more}))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence_of(asked(tmp_path_factory.mktemp("clean")), ASKED)


@pytest.mark.parametrize("seed", range(1, 7))
def test_clean_journeys_raise_no_alarm(seed: int, tmp_path: Path) -> None:
    evidence = evidence_of(asked(tmp_path, seed=seed), {**ASKED, "seed": seed})
    findings = [check(evidence) for check in CHECKS.values()]
    assert {f.check for f in findings if f.holds is not True} == {"hindsight"}, lines_of(findings)
    assert findings[-1].holds is None  # nobody is silent for a year in a store of 400 days
    refuse_leaks(findings)


@pytest.mark.parametrize("check", ["time_travel_replay", "future_shuffle"])
def test_features_that_read_the_future_are_found(check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = FeatureQuery.__init__

    def cheating(self: FeatureQuery, columns: dict) -> None:
        honest(self, columns)
        self.sql = self.sql.replace("e.known <= p.moment AND", "")

    snapshot = asked(tmp_path)
    monkeypatch.setattr(FeatureQuery, "__init__", cheating)
    finding = found(check, snapshot)
    assert finding.holds is False
    assert finding.feature.partition(".")[0] in {"WAIT", "VISIT", "COMPLAINT", "ANSWER"}
    assert finding.value > 0.1


def close_the_loop(random: np.random.Generator, visit: dict) -> list[dict]:
    """T1: a flag that is set after an unhappy answer, exported as if it had been there since the visit."""
    flagged = visit["answered"] and visit["unhappy"]
    return [{"time": visit["start"], "code": "CASE//OPEN"}] if flagged else []


def comment(random: np.random.Generator, visit: dict) -> list[dict]:
    """T5: what was written with the answer, whatever it says, without the time when it could be read."""
    return [{"time": visit["start"] + 0.5, "code": "COMMENT", "numeric_value": 80}] if visit["answered"] else []


def told_early(random: np.random.Generator, visit: dict) -> list[dict]:
    """A second column of the answer's row; its moment is the answer's, but it is told as soon as it is written."""
    return [{"time": visit["start"] + 5, "code": "CSAT", "numeric_value": 2}] if visit["answered"] else []


def nearly_the_label(random: np.random.Generator, visit: dict) -> list[dict]:
    score = float(visit["unhappy"]) + random.normal(0, 0.4)
    return [{"time": visit["start"], "code": "SCORE", "numeric_value": score}]


def hours_before(random: np.random.Generator, visit: dict) -> list[dict]:
    """Something that appears 22 hours after the visit, mostly where the patient is unhappy."""
    there = random.random() < (0.7 if visit["unhappy"] else 0.05)
    return [{"time": visit["start"] + 0.9, "code": "AUDIT"}] if there else []


def the_day_after(random: np.random.Generator, visit: dict) -> list[dict]:
    """The same, but some hours after the point."""
    return [{**row, "time": visit["start"] + 1.3} for row in hours_before(random, visit)]


@pytest.mark.parametrize(("check", "plant", "feature"), [
    ("label_source_lineage", close_the_loop, "CASE//OPEN"),
    ("label_source_lineage", comment, "COMMENT"),
    ("single_feature", close_the_loop, "CASE//OPEN"),
    ("single_feature", nearly_the_label, "SCORE"),
    ("decay", hours_before, "AUDIT"),
    ("day_later", the_day_after, "AUDIT"),
])  # fmt: skip
def test_a_planted_leak_is_found_and_named(check: str, plant: Plant, feature: str, tmp_path: Path) -> None:
    finding = found(check, asked(tmp_path, plant))
    assert finding.holds is False, finding
    assert finding.feature.partition(".")[0] == feature
    assert finding.value > finding.bar


def test_a_column_of_the_answers_own_row_that_is_told_earlier_is_found_by_its_table(tmp_path: Path) -> None:
    surveys = {"ANSWER": ("surveys.csv",), "CSAT": ("surveys.csv",), "WAIT": ("visits.csv",)}
    snapshot = asked(tmp_path, told_early, lineage=surveys)
    # points half a day after the answer was given: one column of it is there, the other is asked for
    points, label = {"each": "VISIT", "after": ["132h"]}, {"true_when": "ANSWER <= 6 within 20d in the same encounter"}
    finding = found("label_source_lineage", snapshot, points=points, label=label)
    assert finding.holds is False
    assert (finding.feature, finding.value) == ("CSAT", 1.0)
    assert "own table" in finding.says


def test_numbers_given_in_the_order_of_the_outcome_are_found(tmp_path: Path) -> None:
    finding = found("identity_order", asked(tmp_path, sort_ids=True))
    assert (finding.holds, finding.feature) == (False, "subject_id")


def test_the_account_status_of_the_export_day_is_found_and_sex_is_not(tmp_path: Path) -> None:
    status = found("current_state", leaving(tmp_path / "status", "STATUS"), LEAVING)
    assert (status.holds, status.feature) == (False, "STATUS.category")
    assert found("current_state", leaving(tmp_path / "sex", "SEX"), LEAVING).holds is True


def test_cancellations_that_were_written_when_an_account_was_closed_are_found_and_honest_ones_are_not(
    tmp_path: Path,
) -> None:
    backdated = found("hindsight", pausing(tmp_path / "backdated", honest=False), LEAVING)
    assert (backdated.holds, backdated.feature.partition(".")[0]) == (False, "CANCELLED")
    expected = {"expected": ["CANCELLED"]}
    assert found("hindsight", pausing(tmp_path / "expected", honest=False), LEAVING, leaks=expected).holds is True
    honest = evidence_of(pausing(tmp_path / "honest", honest=True), LEAVING)
    assert CHECKS["hindsight"](honest).holds is True
    score = honest.data.features["CANCELLED.since"].to_numpy()
    assert auroc(honest.data.label, -np.nan_to_num(score, nan=1e6)) > 0.75  # it tells the label, and no more


def test_a_fact_that_changes_between_versions_is_no_fact(tmp_path: Path) -> None:
    leaving(tmp_path, "SEX")
    store = Journeys(tmp_path / "journeys", key="test")
    moved = [{"subject_id": n, "time": None, "code": "SEX", "text_value": "closed"} for n in range(40)]
    store.land(batch_of(events_table([*moved, {"subject_id": 1, "time": 400, "code": "VISIT"}]), "another"))
    finding = found("current_state", store.snapshot(), LEAVING)
    assert (finding.holds, finding.feature) == (False, "SEX")
    assert finding.value == pytest.approx(40 / 500, abs=0.02)


def test_trees_that_live_by_one_feature_are_found_by_its_share_of_the_gain(tmp_path: Path) -> None:
    def loud(random: np.random.Generator, visit: dict) -> list[dict]:
        said = random.random() < (0.75 if visit["unhappy"] else 0.2)  # AUROC .775: below the ceiling
        return [{"time": visit["start"], "code": "LOUD", "text_value": "yes" if said else "no"}]

    finding = found("single_feature", asked(tmp_path, loud), estimator="trees")
    assert (finding.holds, finding.feature, finding.bar) == (False, "LOUD.category", 0.5)
    assert "of the trees' gain" in finding.says


def test_every_feature_above_the_ceiling_is_named_at_once(tmp_path: Path) -> None:
    finding = found("single_feature", asked(tmp_path, nearly_the_label))
    assert all(f'"SCORE.{how}"' in finding.says for how in ("last", "mean", "mean_90d", "max_90d"))


@pytest.mark.parametrize("check", ["single_feature", "label_source_lineage"])
def test_what_the_model_says_is_expected_is_let_through(check: str, tmp_path: Path) -> None:
    snapshot = asked(tmp_path, close_the_loop)
    assert found(check, snapshot).holds is False
    assert found(check, snapshot, leaks={"expected": ["CASE//*"]}).holds is True


def test_too_few_labels_block_nothing_and_say_so(clean: Evidence) -> None:
    few = clean.data.points.num_rows
    small = clean.data.role.copy()
    small[np.isin(small, ["test", "calibrate"])] = "embargo"
    small[few - 30 :] = "test"
    data = type(clean.data)(clean.data.points, clean.data.features, clean.data.catalogue, small, clean.data.fold)
    poor = Evidence(clean.snapshot, clean.spec, data, clean.trained)
    findings = [CHECKS[name](poor) for name in ("single_feature", "decay", "day_later")]
    assert [f.holds for f in findings] == [None] * 3
    assert all("too few" in f.says for f in findings)
    refuse_leaks(findings)


def test_a_failed_check_blocks_until_it_is_accepted_by_name(tmp_path: Path) -> None:
    evidence = evidence_of(asked(tmp_path, close_the_loop), ASKED)
    findings = check_leaks(evidence.snapshot, evidence.spec, evidence.data, evidence.trained)
    with pytest.raises(LeakFound) as stopped:
        refuse_leaks(findings)
    failed = {f.check for f in findings if f.holds is False}
    assert failed >= {"single_feature", "label_source_lineage"}
    assert stopped.value.code in failed
    assert "CASE//OPEN" in str(stopped.value)
    with pytest.raises(LeakFound):
        refuse_leaks(findings, {"single_feature"})
    refuse_leaks(findings, failed)
    assert facts_of(findings, failed)["leaks.accepted"] == ", ".join(sorted(failed))
    assert "leaks.accepted" not in facts_of(findings, {"identity_order"} - failed)
    with pytest.raises(SpecRefused, match="no_check"):
        refuse_leaks(findings, {"nonsense"})


def test_the_closed_interval_of_an_auroc_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    true = 0.7602  # Phi(1 / sqrt(2)): two normals one standard deviation apart
    hits = 0
    for _ in range(400):
        label = random.random(300) < 0.3
        hits += (e := auroc_estimate(label, random.normal(size=300) + label, np.arange(300))).low < true < e.high
    assert 0.92 < hits / 400 < 0.98


def test_rows_of_one_patient_count_as_one() -> None:
    random = np.random.default_rng(1)
    label = random.random(300) < 0.3
    score = random.normal(size=300) + label
    once = auroc_estimate(label, score, np.arange(300))
    thrice = auroc_estimate(*(np.repeat(a, 3) for a in (label, score, np.arange(300))))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    same = auroc_difference(label, score, score, np.arange(300))
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert auroc(np.array([True, False, False]), np.array([1.0, 1.0, 0.0])) == 0.75
