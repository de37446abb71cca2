"""`wellkept plan` on a small SYNTHETIC system, from its journeys to the page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wellkept import jobs
from wellkept.__main__ import main
from wellkept.bundles import write_bundle
from wellkept.evaluating import evaluate
from wellkept.examples import examples
from wellkept.settings import Settings
from wellkept.simulator import simulate
from wellkept.simulator.worlds import World
from wellkept.spec import load_spec
from wellkept.training import train

ROOT = Path(__file__).parents[2]
FEATURES = ("scheduling", "contact_centre", "arrival", "discharge", "voice")
SCORES = (-2.0, -1.8, -1.5, -1.2, -0.9, -0.6, -0.3, 0.0, 0.5, 1.0)  # with more detractors to learn from
WORLD = World(sites=5, site_waiting=0.5, lobby_scale=7.0, score_steps=SCORES)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Journeys of five sites that differ in how long one waits, and both models in service."""
    folder, settings = tmp_path_factory.mktemp("house"), Settings()
    simulate(folder / "export", patients=4000, seed=3, world=WORLD, days=900)
    journeys = jobs.open_journeys(folder / "journeys", settings)
    jobs.land(journeys, jobs.read_batch("tables", folder / "export", now=datetime(2026, 1, 1, tzinfo=UTC),
                                        settings=settings))  # fmt: skip
    for target, estimator in (("detractor_risk", "trees"), ("no_return", "logistic")):
        shipped = load_spec(ROOT / "models" / f"{target}.toml")
        trees = shipped.trees.model_copy(update={"rounds": 60})
        points = shipped.points.model_copy(update={"after": shipped.points.after[:1]})
        spec = shipped.model_copy(update={"features": FEATURES, "trees": trees, "estimator": estimator, "beside": (),
                                          "baseline": "", "points": points})  # fmt: skip
        data = examples(journeys.snapshot(), spec)
        model = train(data, spec)
        bundle = jobs.bundle_of(model, data, spec, evaluate(model, data, spec))
        (folder / "models" / target).mkdir(parents=True)
        write_bundle(bundle, folder / "models" / target / "1")
        (folder / "models" / target / "champion").write_text("1\n")
    return folder


@pytest.fixture
def here(house: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(house)
    return house


def said(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, dict]:
    code = main(["plan", *arguments, "--journeys", "journeys", "--days", "365", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_plan_says_what_to_move_where_and_how_far_to_trust_it(here: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["plan", "detractor_risk", "--journeys", "journeys", "--days", "365", "--gain", "0.5"]) == 0
    told = capsys.readouterr().out
    assert "nobody randomised it" in told
    assert "lobby wait from a median of" in told
    assert "Intervals (95 %) cover how the model's members differ" in told
    assert "Most gain by effort:" in told
    assert all(len(line) <= 160 for line in told.splitlines())


def test_the_longest_waits_are_shortened_and_no_site_goes_beyond_the_best(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    code, facts = said(capsys, "detractor_risk", "--gain", "0.5")
    assert code == 0
    assert facts["gain_of"] == "nps"
    assert facts["joint"][0] >= 0.5
    assert facts["sum"] == pytest.approx(sum(move["gain"][0] for move in facts["moves"]))
    assert sum(kind["visits"] for kind in facts["by_kind"].values()) == facts["visits"]
    waits = [move for move in facts["moves"] if move["factor"] == "lobby_wait"]
    assert waits
    assert all(move["to"] < move["from"] for move in waits)
    assert all(1 <= move["steps"] <= 3 for move in facts["moves"])


def test_returns_are_planned_for_with_the_other_model(here: Path, capsys: pytest.CaptureFixture) -> None:
    code, most = said(capsys, "no_return", "--gain", "1e9")
    assert (code, most["code"]) == (2, "out_of_reach")
    reachable = float(most["message"].rpartition(" ")[2])
    assert reachable > 0
    code, facts = said(capsys, "no_return", "--gain", str(reachable / 2))
    assert (code, facts["gain_of"], facts["model"], facts["now"]) == (0, "fewer", "logistic", None)
    assert facts["joint"][0] >= reachable / 2


def test_the_page_has_the_picture_and_needs_nothing_else(here: Path, capsys: pytest.CaptureFixture) -> None:
    code, facts = said(capsys, "detractor_risk", "--gain", "0.5", "--out", "plan.html")
    assert code == 0
    page = (here / "plan.html").read_text()
    assert "Gain by effort" in page
    assert "Associational" in page
    assert page.count("<tr><th scope=\"row\">site-") == len(facts["moves"])
    assert "http" not in page
    assert "<script" not in page


def test_a_setting_and_terms_narrow_the_plan(here: Path, capsys: pytest.CaptureFixture) -> None:
    (here / "terms.toml").write_text("[effort]\nlobby_wait = 2.5\n\n[at_most]\nlobby_wait = 1\nhold_seconds = 0\n")
    code, facts = said(capsys, "detractor_risk", "--gain", "0.2", "--terms", "terms.toml", "--setting", "chronic")
    assert code == 0
    assert list(facts["by_kind"]) == ["chronic"]
    assert facts["still"]["hold_seconds"] == "the terms keep it where it is"
    assert {(m["steps"], m["effort"]) for m in facts["moves"] if m["factor"] == "lobby_wait"} <= {(1, 2.5)}
    assert said(capsys, "detractor_risk", "--gain", "0.2", "--setting", "spa")[1]["code"] == "setting"


def test_what_cannot_be_planned_is_refused(here: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["plan", "detractor_risk", "--journeys", "journeys", "--gain", "1", "--days", "4", "--json"]) == 7
    assert json.loads(capsys.readouterr().out)["code"] == "too_few_sites"
    assert said(capsys, "detractor_risk", "--gain", "0")[1]["code"] == "gain"
    assert said(capsys, "wait_risk", "--gain", "1")[1]["code"] == "no_champion"
