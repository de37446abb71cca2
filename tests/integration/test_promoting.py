"""Into service and back on a real MLflow: who signed, which gate stands in the way, and what a stop leaves behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bundling import bundle, registered
from wellkept import jobs
from wellkept.bundles import load_bundle
from wellkept.decisions import Decision, decisions, record
from wellkept.errors import BundleRefused, Busy, GateClosed
from wellkept.files import sole_writer
from wellkept.gates import Gate
from wellkept.pointers import champion_of
from wellkept.settings import Settings

TARGET = "detractor_risk"
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
HOLDS = Gate("skill", True, 0.7, "above 0.5", "AUROC 0.7")
SHUT = Gate("groups", False, 1.4, "within 0.9 to 1.1", "language spanish: true over stated 1.4")
LIST = Gate("list", False, 0.4, "at least 0.6", "0.40 of the two lists' patients are on both")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions that passed, did not pass, want an explanation, were held against version 1, and were never judged."""
    house = tmp_path_factory.mktemp("house")
    for key, against, gates in (
        ("passed", "", [HOLDS]), ("shut", "", [HOLDS, SHUT]), ("turned over", "1", [HOLDS, LIST]),
        ("second", "1", [HOLDS]), ("not judged", "", []), ("third", "4", [HOLDS]),
    ):  # fmt: skip
        registered(house, bundle(), key=key, against=against, gates=gates)
    return house


@pytest.fixture
def settings(house: Path, tmp_path: Path) -> Settings:
    return Settings(models=tmp_path / "models", mlruns=house / "mlruns")


def promote(settings: Settings, version: int, approve: str = "A. Name", explained: str = "") -> Path:
    return jobs.promote(TARGET, str(version), settings, approve=approve, explained=explained, now=NOW)


def rollback(settings: Settings, to: str = "") -> tuple[str, str]:
    return jobs.rollback(TARGET, settings, by="A. Name", why="complaints", to=to, now=NOW)


def in_service(settings: Settings) -> str:
    return load_bundle(champion_of(settings.models, TARGET)).version.partition("@")[0]


def alias(settings: Settings) -> str:
    found = jobs.versions_of(TARGET, settings)["versions"]
    return next((v["version"] for v in found if "champion" in v["aliases"]), "")


def test_what_passed_goes_into_service_when_somebody_signs(settings: Settings) -> None:
    promote(settings, 1)
    assert in_service(settings) == "1"
    assert alias(settings) == "1"
    decided = decisions(settings.models / TARGET)[-1]
    assert (decided.action, decided.version, decided.before, decided.by) == ("promote", "1", "", "A. Name")
    assert decided.gates == [{"gate": "skill", "says": "holds: AUROC 0.7"}]


@pytest.mark.parametrize(("version", "approve", "code", "says"), [
    (1, "", "signature", "--approve NAME"),
    (2, "A. Name", "groups", "language spanish: true over stated 1.4"),
    (5, "A. Name", "not_judged", "train it again"),
    (4, "A. Name", "stale", "was held against version 1, and no version is in service"),
])  # fmt: skip
def test_a_closed_gate_says_why_and_leaves_what_is_in_service(
    settings: Settings, version: int, approve: str, code: str, says: str
) -> None:
    with pytest.raises(GateClosed, match=says) as refused:
        promote(settings, version, approve)
    assert refused.value.code == code
    assert not (settings.models / TARGET / "champion").exists()
    assert decisions(settings.models / TARGET) == []


def test_a_list_that_turns_over_goes_into_service_once_it_is_explained(settings: Settings) -> None:
    promote(settings, 1)
    with pytest.raises(GateClosed, match="on both"):
        promote(settings, 3)
    promote(settings, 3, explained="two clinics were added")
    assert in_service(settings) == "3"
    assert decisions(settings.models / TARGET)[-1].why == "two clinics were added"


def test_who_rolls_back_twice_goes_two_versions_back(settings: Settings) -> None:
    for version in (1, 4, 6):
        promote(settings, version)
    assert rollback(settings) == ("4", "6")
    assert in_service(settings) == "4"
    assert rollback(settings) == ("1", "4")
    with pytest.raises(BundleRefused, match="no version in service before 1"):
        rollback(settings)
    assert rollback(settings, to="6") == ("6", "1")
    assert in_service(settings) == alias(settings) == "6"


def test_going_back_needs_no_mlflow(settings: Settings, tmp_path: Path) -> None:
    promote(settings, 1)
    promote(settings, 4)
    unreachable = Settings(models=settings.models, mlruns=tmp_path / "gone")
    assert rollback(unreachable) == ("1", "4")
    assert not (tmp_path / "gone").exists()
    assert in_service(settings) == "1"
    assert alias(settings) == "1"  # MLflow follows as soon as it is asked


@pytest.mark.parametrize("stop", ["before the pointer", "before the alias"])
def test_a_decision_that_a_stop_left_undone_is_carried_out_by_whoever_comes_next(settings: Settings, stop: str) -> None:
    promote(settings, 1)
    jobs.promote(TARGET, "4", settings, approve="A. Name", now=NOW)
    jobs.rollback(TARGET, settings, by="x", why="y", now=NOW)
    record(settings.models / TARGET, Decision(NOW.isoformat(), "promote", "4", "1", "A. Name"))
    if stop == "before the alias":
        (settings.models / TARGET / "champion").write_text("4\n")
    assert alias(settings) == "4"
    assert in_service(settings) == "4"


def test_an_mlflow_that_never_registered_what_is_in_service_is_refused(settings: Settings, tmp_path: Path) -> None:
    promote(settings, 1)
    elsewhere = settings.model_copy(update={"mlruns": tmp_path / "new" / "mlruns"})
    with pytest.raises(BundleRefused, match=f"does not know version 1 of {TARGET}.*put back") as refused:
        jobs.versions_of(TARGET, elsewhere)
    assert refused.value.code == "no_version"
    assert in_service(settings) == "1"


def test_decisions_are_lines_that_are_only_added_to(settings: Settings) -> None:
    promote(settings, 1)
    path = settings.models / TARGET / "decisions.jsonl"
    before = path.read_text()
    promote(settings, 4)
    assert path.read_text().startswith(before)
    assert [json.loads(line)["version"] for line in path.read_text().splitlines()] == ["1", "4"]


def test_nobody_decides_while_another_process_does(settings: Settings) -> None:
    with sole_writer(settings.models / TARGET), pytest.raises(Busy):
        promote(settings, 1)
