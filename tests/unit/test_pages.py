"""The report's page, as somebody reads it: what it says, what it never says, and that it needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tests.bundling import bundle
from tests.reporting import FIGURES, HOSTILE, TOLD, TOO_FEW, report_facts
from wellkept.cards import card
from wellkept.pages import card_page, report_page
from wellkept.plotting import discrimination_figure

VOID = {"meta", "br", "img", "hr", "input", "link"}


class Reader(HTMLParser):
    """What is on a page: its text, its tags with their attributes, and tags that were not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.open, self.wrong = "", [], [], []
        self.feed(page)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data.strip()}"

    def rows(self, heading: str) -> str:
        """The text after a heading of a row or a section, a few words of it."""
        return self.text.partition(heading)[2][:200]


def report(**other: Any) -> Reader:
    return Reader(report_page(report_facts(**other)))


def made_up_picture() -> Any:
    random = np.random.default_rng(1)
    risk = random.beta(1, 5, 200)
    return discrimination_figure(random.random(200) < risk, risk)


PAGES = {
    "full report": lambda: report_page(report_facts()),
    "report with a matplotlib picture": lambda: report_page(report_facts(curves={}), {HOSTILE: made_up_picture()}),
    "bare report": lambda: report_page({}),
    "card": lambda: card_page(card(bundle())),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole_and_needs_nothing_else(page: str) -> None:
    html = PAGES[page]()
    read = Reader(html)
    assert read.wrong == []
    addresses = [v for _, a in read.tags for k, v in a.items() if k in ("src", "href", "xlink:href", "srcset", "data")]
    assert [a for a in addresses if not a.startswith(("#", "data:"))] == []
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in read.tags}
    assert [k for _, a in read.tags for k in a if k.startswith("on")] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read_without_seeing_it(page: str) -> None:
    read = Reader(PAGES[page]())
    tags = [tag for tag, _ in read.tags]
    assert ("html", {"lang": "en"}) in read.tags
    assert tags.count("h1") == 1
    assert tags.count("caption") == tags.count("table")
    assert [a for tag, a in read.tags if tag == "th" and "scope" not in a] == []
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))
    pictures = [a for _, a in read.tags if a.get("role") == "img"]
    assert all(a["aria-label"] for a in pictures)


def test_the_first_screen_says_what_ships_how_good_it_is_and_for_whom_it_is_wrong() -> None:
    read = report()
    assert "Boosted trees ship." in read.text
    assert "it ranks 71.2 [64.8 to 76.3] right; what people go by today ranks 56.2 [49.1 to 61.6] right" in read.text
    assert "1.20 [1.05 to 1.40] times as often as stated: its risks are too low" in read.text
    assert "Of 3 groups 1 are too few to tell; the stated level is wrong for language: english (too low)" in read.text
    assert "830 of 3,608 who were asked answered (23%); the level of the silent is not known" in read.text


def test_who_did_better_on_the_test_rows_is_said_at_once() -> None:
    test = report_facts()["test"]
    better = {**test, "logistic": {**test["logistic"], "log_loss": [0.28, 0.26, 0.3]}}
    assert "lower: logistic regression (0.2800 [0.2600 to 0.3000])" in report(test=better).text
    assert "Look before" not in report().text


def test_a_hostile_name_of_a_level_or_a_feature_is_only_text() -> None:
    html = report_page(report_facts(target=HOSTILE, says=HOSTILE))
    read = Reader(html)
    assert "<img" not in html
    assert read.text.count(HOSTILE) >= 4


def test_figures_that_are_not_known_say_so() -> None:
    test = report_facts()["test"]
    trees = {**test["trees"], "calibration_slope": [None, None, None], "auroc": None, "brier_skill": [0.05, None, None]}
    read = report(test={**test, "trees": trees})
    assert "not known" in read.rows("calibration slope")
    assert "not known" in read.rows("AUROC")
    assert "interval not known" in read.rows("Brier skill")


def test_a_level_with_too_few_events_prints_no_number() -> None:
    row = re.search(r"onerror.*?</tr>", report_page(report_facts(drivers=None)), re.DOTALL)
    assert row
    assert "too few to tell" in row[0]
    told = row[0].replace(",", "")
    assert [name for name in ("rows", "patients", "events") if str(TOO_FEW[name]) in told] == []


def test_who_is_on_the_list_less_than_they_need_it_is_said_at_once() -> None:
    listed = {**TOLD, "metrics": {**FIGURES, "attention": [0.0, 0.0, 0.01], "need": [0.12, 0.1, 0.14]}}
    read = report(groups={"kind": {"preventive": listed, "chronic": TOLD}})
    assert "less than they need it: kind of care: preventive (0% of the list, 12% of the need)." in read.text


def test_where_every_group_is_too_few_nothing_is_said_of_any() -> None:
    read = report(groups={"race": {"asian": TOO_FEW, "other": TOO_FEW}})
    assert "All 2 groups are too few to tell." in read.text
    assert "By race: too few to tell for all of asian, other." in " ".join(read.text.split())
    assert "wrong for" not in read.text


def test_what_a_run_did_not_measure_is_said_or_stays_away() -> None:
    read = Reader(report_page({"shipped": "trees", "test": {"trees": {}}}))
    assert "Performance was not broken down by group in this run." in read.text
    assert "Refits were not made in this run." in read.text
    assert "Who does not answer" not in read.text
    assert "Is it right" not in read.text


def test_the_control_is_said_to_disagree_where_it_does() -> None:
    assert "they disagree by more than a tenth" in report().rows("hazard states")


def test_a_study_of_one_date_is_not_said_to_be_later_than_its_training() -> None:
    read = report(facts={"train_rows": "4031", "train_from": "2022-05-05", "train_until": "2022-05-05"})
    assert "judged by members that never saw the patient" in read.text
    assert "4,031" in read.rows("test rows")
    assert "later than training" in report().text


def test_synthetic_data_is_called_synthetic_where_the_caller_says_so() -> None:
    assert "SYNTHETIC" not in report().text
    assert "SYNTHETIC data: no real person" in report(facts={"synthetic": "yes"}).text


def test_curves_are_drawn_from_the_facts_and_rather_than_from_figures() -> None:
    html = report_page(report_facts(), {"calibration": made_up_picture()})
    assert "matplotlib" not in html
    assert "Where 2% is stated it came true for 3%, where 20% is stated for 18%" in html
    assert "more net benefit than calling everybody or nobody for thresholds from 2% to 20%" in html


def test_flat_and_empty_curves_are_no_picture() -> None:
    flat, empty = {"stated": [0.1, 0.1], "observed": [0.1, 0.2]}, {"threshold": [], "model": [], "all": []}
    assert "<figure" not in report_page(report_facts(curves={"calibration": flat, "decision": empty}))
