"""A staff file: what it may say, and what is refused with a word on what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from wellkept.errors import SpecRefused
from wellkept.offering import interventions
from wellkept.staff import load_staff

CATALOGUE = interventions()
WHOLE = """
texts = 200

[[team]]
name = "nurses"
minutes = 180
roles = ["nurse"]
languages = ["english", "Spanish"]

[[team]]
name = "front desk"
minutes = 400
roles = ["coordinator", "scheduler"]
languages = ["english"]
interpreter = true

[arms]
navigator = 3

[[contacts]]
most = 2
within = "30d"

[[floor]]
code = "PERSON//payer"
share = 0.95
"""


def loaded(text: str, folder: Path) -> object:
    (folder / "staff.toml").write_text(text)
    return load_staff(folder / "staff.toml", CATALOGUE)


def test_the_file_of_the_docs_is_read(tmp_path: Path) -> None:
    staff = loaded(WHOLE, tmp_path)
    assert staff.minutes == 580
    assert staff.team[0].languages == ("english", "spanish")
    assert (staff.team[1].interpreter, staff.floor[0].need, dict(staff.arms)) == (True, "preventable", {"navigator": 3})


def test_the_file_in_the_docs_is_this_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "interventions.md").read_text()
    written = page.partition("```toml")[2].partition("```")[0]
    lines = [line.partition("#")[0].strip() for line in written.splitlines()]
    assert [line for line in lines if line] == [line.strip() for line in WHOLE.splitlines() if line.strip()]


@pytest.mark.parametrize(("old", "new", "says"), [
    ('roles = ["nurse"]', 'roles = ["nurs"]', "team nurses has the roles nurs, which no intervention asks for; there"),
    ("navigator = 3", "navigater = 3", r"\[arms\] names navigater; there are billing_fix"),
    ("navigator = 3", "interpreter = 3", r"\[arms\] bounds interpreter, which is owed to the patient: take it out"),
    ("navigator = 3", "navigator = -1", "at most 0 or more"),
    ('name = "front desk"', 'name = "nurses"', "two teams have one name"),
    ('name = "front desk"', 'name = "texts"', "a team is called neither"),
    ("minutes = 180", "minutes = -1", "team.0.minutes"),
    ("minutes = 180", "minutes = inf", "team.0.minutes"),
    ("minutes = 180", "hours = 3", "team.0.hours: Extra inputs are not permitted"),
    ('"english", "Spanish"', '"english", "English"', "each word stands there once"),
    ('"30d"', '"30 days"', "staff.toml: a duration is a whole number"),
    ("share = 0.95", "share = 1.2", "floor.0.share"),
    ("PERSON//payer", "payer", "floor.0.code"),
    ("PERSON//payer", "PERSON//*", "floor.0.code"),
    ('within = "30d"', 'within = "a month"', "a duration is a whole number"),
    ('within = "30d"', 'within = "0d"', "longer than nothing"),
    ("most = 2", "most = 0", "contacts.0.most"),
    ("texts = 200", "texts = 200 texts", "is not TOML"),
])  # fmt: skip
def test_what_cannot_be_carried_out_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert old in WHOLE
    with pytest.raises(SpecRefused, match=says):
        loaded(WHOLE.replace(old, new), tmp_path)


def test_a_file_that_is_not_there_and_one_without_teams_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecRefused, match="cannot be read"):
        load_staff(tmp_path / "none.toml", CATALOGUE)
    with pytest.raises(SpecRefused, match="team"):
        loaded("texts = 3", tmp_path)
