"""What every intervention must keep; a new file in interventions/ is tested without an edit here."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.contract.test_features import SHARED_CODES
from wellkept.catalogue import DIMENSIONS, TOUCHPOINTS, families
from wellkept.offering import DETRACTOR, NO_RETURN, Intervention, interventions

ALL = [pytest.param(i, id=name) for name, i in interventions().items()]
SURVEYS = re.compile(r"survey|score|rate us|rating|recommend|stars|feedback form|questionnaire|0 to 10", re.IGNORECASE)


def test_there_are_at_least_the_ten_of_the_method() -> None:
    assert len(ALL) >= 10


@pytest.mark.parametrize("intervention", ALL)
def test_no_script_asks_for_a_score_or_mentions_a_survey(intervention: Intervention) -> None:
    assert not SURVEYS.search(intervention.script)
    assert not SURVEYS.search(intervention.title)


@pytest.mark.parametrize("intervention", ALL)
def test_it_says_what_to_do_when_why_by_whom_and_on_what_evidence(intervention: Intervention) -> None:
    assert intervention.title
    assert intervention.script.endswith((".", "?"))
    assert intervention.because[0].islower()
    assert intervention.source
    assert set(intervention.touchpoints) <= set(TOUCHPOINTS)
    assert intervention.dimension in DIMENSIONS
    assert set(intervention.beliefs) <= {DETRACTOR, NO_RETURN}
    assert all(belief.spread > 0 for belief in intervention.beliefs.values())
    assert bool(intervention.not_for) == (intervention.unless is not None)
    assert not any("," in role for role in intervention.roles)  # RECOMMENDATIONS joins them, the service parts them
    assert ";" not in intervention.title


@pytest.mark.parametrize("intervention", ALL)
def test_its_trigger_is_a_fact_of_the_shared_codes_and_is_not_there_where_nothing_is_known(
    intervention: Intervention, value_at: Callable
) -> None:
    asked = [intervention.trigger, *intervention.facts.values()]
    codes = {code for one in asked for a in one.aggregates() for code in a.selection.codes}
    assert codes <= SHARED_CODES
    assert not codes & {"SURVEY//NPS", "SURVEY//CSAT", "SURVEY//CES", "SURVEY//INVITED"}
    assert not any(value_at(one, [], at=10) for one in asked)


@pytest.mark.parametrize("intervention", ALL)
def test_what_it_puts_right_are_features_of_its_touchpoints_of_which_it_is_known_what_is_worse(
    intervention: Intervention,
) -> None:
    catalogue = {f.name: f for family in families().values() for f in family}
    for name in intervention.puts_right:
        assert catalogue[name].monotone != 0, name
        assert catalogue[name].touchpoint in intervention.touchpoints, name
        assert not catalogue[name].protected, name


@pytest.mark.parametrize("intervention", ALL)
def test_evidence_that_was_not_measured_is_called_assumed(intervention: Intervention) -> None:
    assert intervention.grade == "assumed"
    assert intervention.source.startswith("assumed")
