"""The model card: what it answers, from where, and what it says where nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bundling import bundle
from tests.reporting import FIGURES, HOSTILE, TOLD, TOO_FEW
from wellkept.bundles import Bundle, load_bundle, write_bundle
from wellkept.cards import card, card_lines, missing
from wellkept.catalogue import features_of
from wellkept.errors import BundleRefused, SpecRefused
from wellkept.pages import card_page
from wellkept.prose import ALWAYS, Prose, prose_beside
from wellkept.prose import missing as missing_of
from wellkept.spec import Asked, Spec

ROOT = Path(__file__).parents[2]
SPECS = [path for path in sorted((ROOT / "models").glob("*.toml")) if not path.name.endswith(".card.toml")]
PROSE = prose_beside(ROOT / "models" / "detractor_risk.toml")
GROUPS = (4, 4, 2, 4, 2, 4, 5, 4, 2)  # attributes in each group of 45 CFR 170.315(b)(11)(iv)(B)


def a_bundle(
    prose: Prose | None = PROSE, *, spec: dict | None = None, facts: dict | None = None, **metrics: object
) -> Bundle:
    """A bundle with this prose, and with changes to its spec, its facts and its metrics."""
    made = bundle()
    metrics = {"shipped": "trees", "test": {"trees": FIGURES}, **metrics}
    return replace(made, prose=prose, metrics=metrics, facts={**made.facts, **(facts or {})},
                   spec=Spec.model_validate({**made.spec.model_dump(), **(spec or {})}))


def prose_with(section: str, **fields: str) -> Prose:
    """The prose of a shipped model with other fields in one section."""
    assert PROSE
    return PROSE.model_copy(update={section: getattr(PROSE, section).model_copy(update=fields)})


def answers(of: Bundle) -> dict[str, dict]:
    return {a["paragraph"]: a for group in card(of)["source_attributes"] for a in group["attributes"]}


def asks(of: Bundle, part: str) -> dict[str, dict]:
    return {q["question"]: q for q in card(of)["probast_ai"][part]}


@pytest.mark.parametrize("prose", [PROSE, Prose(), None], ids=["declared", "empty", "no file"])
def test_all_31_attributes_are_there_once_and_none_is_empty_without_a_reason(prose: Prose | None) -> None:
    told = card(a_bundle(prose))["source_attributes"]
    assert tuple(len(group["attributes"]) for group in told) == GROUPS
    paragraphs = [a["paragraph"] for group in told for a in group["attributes"]]
    assert len(set(paragraphs)) == 31
    assert all(len(a["text"]) > 15 for group in told for a in group["attributes"])
    assert {a["source"] for group in told for a in group["attributes"]} <= {"run", "declared", "none", "missing"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_cards_of_the_shipped_models_are_complete(path: Path) -> None:
    prose = prose_beside(path)
    assert prose
    assert missing_of(prose) == []


def test_a_model_without_a_card_file_lists_what_is_missing_and_says_where_to_write_it() -> None:
    told = card(a_bundle(None))
    assert set(missing(told)) == {*ALWAYS, "external.none_because", "evaluations.none_because"}
    assert "fill in use under [purpose] in detractor_risk.card.toml" in answers(a_bundle(None))["(2)(i)"]["text"]
    assert "18 required fields are empty" in "\n".join(card_lines(told))


FILLERS = ("", "  ", "TODO", "n/a", "N/A.", "tbd by the nurse", "To fill: ask", "[to be decided]",
           "Set by the health system that deploys it")  # fmt: skip


@pytest.mark.parametrize("filler", FILLERS)
def test_a_text_that_only_holds_a_place_counts_as_missing(filler: str) -> None:
    prose = prose_with("purpose", use=filler)
    assert missing_of(prose) == ["purpose.use"]


def test_external_validation_is_none_with_its_reason_or_told_in_every_field() -> None:
    assert answers(a_bundle())["(6)(i)"]["source"] == "none"
    assert "has not been tested on data of another health system" in answers(a_bundle())["(6)(i)"]["text"]
    started = prose_with("external", source="the hospital across the river")
    assert "external.party" in missing_of(started)
    assert answers(a_bundle(started))["(6)(i)"]["text"] == "the hospital across the river"
    assert answers(a_bundle(started))["(6)(ii)"]["source"] == "missing"


def test_performance_and_groups_come_from_the_run() -> None:
    told = answers(a_bundle(groups={"sex": {"f": TOLD, "m": TOO_FEW}}))
    assert "AUROC 0.712 [0.648 to 0.763]" in told["(7)(i)"]["text"]
    assert "2 groups in 1 dimensions; 1 have too few events to tell" in told["(7)(ii)"]["text"]
    assert answers(a_bundle())["(7)(ii)"] == {**told["(7)(ii)"], "source": "none",
                                              "text": "None: this run did not break performance down by group."}


def test_features_carry_protected_and_proxy_flags_and_the_variables_of_the_rule() -> None:
    spec = {"audit": ["PERSON//race"], "protected": ["PERSON//language", "PERSON//sex"]}
    made = a_bundle(spec=spec)
    chosen = [replace(f, protected=f.name in ("language", "sex")) for f in features_of(("person", "scheduling"))]
    made = replace(made, encoder=replace(made.encoder, features=chosen))
    flags = {f["name"]: (f["protected"], f["proxy"]) for f in card(made)["inputs"]}
    assert (flags["language"], flags["sex"], flags["payer"]) == ((True, True), (True, False), (False, True))
    assert (flags["distance_km"], flags["deprivation"], flags["lead_days"]) == (*[(False, True)] * 2, (False, False))
    uses = {v["variable"]: (v["features"], v["audited"]) for v in card(made)["variables"]}
    assert uses["race"] == ([], True)
    assert uses["language"] == (["language", "interpreter_needed"], True)
    assert uses["date of birth"] == (["age"], False)
    assert uses["social determinants of health"][0] == ["payer", "distance_km", "deprivation"]
    assert uses["sexual orientation"] == uses["gender identity"] == ([], False)
    assert "race: no feature, used to audit" in answers(made)["(4)(ii)"]["text"]


def test_the_response_rate_is_told_where_it_was_asked() -> None:
    silent = {"asked": 3608, "answered": 830, "called": 0, "followed_up": 0, "levels": {}}
    assert card(a_bundle())["response"] is None
    told = card(a_bundle(everybody=silent))["response"]
    assert (told["rate"], told["measured"]) == (830 / 3608, False)
    assert "none was asked again: their level is NOT KNOWN" in told["says"]


def test_small_shares_are_not_shown() -> None:
    shares = {"race": {"asian": {"fitted": None, "test": None}, "white": {"fitted": 0.7, "test": 0.6}}}
    made = a_bundle(represented=shares)
    assert "race: asian too few patients to show, white 70%" in answers(made)["(4)(iii)"]["text"]
    assert "too few to show" in card_page(card(made))


def test_tripod_has_27_items_and_probast_16_and_18_questions() -> None:
    told = card(a_bundle())
    assert [row["item"] for row in told["tripod_ai"]] == list(range(1, 28))
    assert all(row["where"] for row in told["tripod_ai"])
    assert {part: len(rows) for part, rows in told["probast_ai"].items()} == {"development": 16, "evaluation": 18}


def test_probast_is_answered_from_the_run_where_the_run_can_tell() -> None:
    counts = {"train_events": "150", "calibrate_events": "50", "test_events": "99"}
    facts = {**counts, "columns": "10", "leaks.decay": "passed 0"}
    made = a_bundle(facts=facts)
    size = asks(made, "development")["4.1"]
    assert size["answer"] == "no"
    assert "200 events for 10 columns: 20.0 each, where 200 are asked for trees" in size["because"]
    assert asks(made, "evaluation")["4.2"]["answer"] == "no"
    assert asks(a_bundle(facts={**facts, "test_events": "100"}), "evaluation")["4.2"]["answer"] == "yes"
    assert asks(made, "development")["2.3"]["answer"] == "yes"
    assert asks(a_bundle(), "development")["2.3"]["answer"] == "needs a person"
    overridden = a_bundle(facts={"leaks.decay": "FAILED 0.3", "leaks.accepted": "decay"})
    assert asks(overridden, "evaluation")["4.5"]["answer"] == "needs a person"


def test_a_one_date_study_is_not_called_later_in_time() -> None:
    spec = {"split": {"by": "subject"}, "points": {"at": "2021-12-31T00:00:00Z"}}
    made = a_bundle(spec=spec)
    assert asks(made, "evaluation")["4.6"]["answer"] == "no"
    assert "not later" in asks(made, "development")["1.2"]["because"]
    of_all = a_bundle(spec=spec, facts={"train_events": "99"})
    assert asks(of_all, "evaluation")["4.2"]["because"].startswith("99 events to judge by")
    assert "Judged by 99 events" in " ".join(card(of_all)["limits"])
    assert card(made)["inclusion"][0] == "One point for everybody who is known by 2021-12-31."


def test_the_card_never_claims_compliance_and_says_what_is_synthetic() -> None:
    page = card_page(card(a_bundle(facts={"synthetic": "yes"})))
    assert "it claims compliance with no rule" in page
    assert "SYNTHETIC data: no real person" in page
    assert not {"is compliant", "complies", "certified"} & set(page.lower().split())


def test_a_hostile_text_in_a_card_is_only_text() -> None:
    prose = prose_with("purpose", use=f"For {HOSTILE}")
    page = card_page(card(a_bundle(prose, groups={HOSTILE: {HOSTILE: TOLD}}, represented={HOSTILE: {HOSTILE: {
        "fitted": 0.5, "test": 0.5}}})))
    assert "<img" not in page
    assert "&lt;img" in page


def test_a_card_is_plain_json() -> None:
    told = card(a_bundle(spec={"asked": Asked(by="SURVEY//INVITED").model_dump()}))
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_a_bundle_carries_its_prose_and_none_is_made_up(tmp_path: Path) -> None:
    write_bundle(a_bundle(), tmp_path / "1")
    write_bundle(a_bundle(None), tmp_path / "2")
    assert load_bundle(tmp_path / "1").prose == PROSE
    assert load_bundle(tmp_path / "2").prose is None
    assert not (tmp_path / "2" / "card.json").exists()
    (tmp_path / "1" / "card.json").write_text("{}")
    with pytest.raises(BundleRefused, match="digest_mismatch"):
        load_bundle(tmp_path / "1")


def test_a_misspelt_key_of_a_card_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.card.toml").write_text("[purpose]\nuses = 'calls'\n")
    with pytest.raises(SpecRefused, match=r"purpose\.uses"):
        prose_beside(tmp_path / "x.toml")
    assert prose_beside(tmp_path / "y.toml") is None
