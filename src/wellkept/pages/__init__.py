"""Facts in; whole HTML pages out, each one file that needs nothing else: no script, no network, no other file.

Everything is escaped by the templates, for a feature's name and a group's level may hold anything. Only pictures, drawn
here or by matplotlib, and the style sheet are put in as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from wellkept import listing_plan, wording
from wellkept.pages.charts import charts, trade_off
from wellkept.pages.pictures import picture
from wellkept.pages.view import report_view

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

WIDE = "discrimination"


def report_page(facts: Mapping, figures: Mapping[str, Figure] | None = None) -> str:
    """The report of a model, to be read in two minutes.

    Parameters
    ----------
    facts
        A bundle's metrics with `target`, `version`, `says`, `asks` and `facts`; what is absent is said to be absent.
        `facts["facts"]["synthetic"]` says that no real person is in the data.
    figures
        By name, pictures that need rows. One is left out where the facts have the same as data (`calibration` and
        `decision_curve` in `curves`, `drivers`): then the page is drawn from a bundle alone.
    """
    drawn = charts(facts.get("curves") or {})
    needed = {name: figure for name, figure in (figures or {}).items() if name not in drawn and not facts.get(name)}
    last = sorted(needed, key=lambda name: name == WIDE)  # it has a row of its own
    others = {name: picture(needed[name], name) for name in last}
    return _templates().get_template("report.html").render(view=report_view(facts), charts=drawn, pictures=others)


def card_page(card: Mapping) -> str:
    """The model card (`wellkept.cards.card`) as a page."""
    return _templates().get_template("card.html").render(card=card)


def plan_page(facts: Mapping) -> str:
    """A manager's plan (`jobs.plan_facts`) as a page, with the picture of what effort buys."""
    return _templates().get_template("plan.html").render(plan=facts, words=listing_plan, chart=trade_off(facts))


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(loader=PackageLoader("wellkept", "pages"), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    words = ("figure", "in_100", "count", "contestant", "dimension")
    made.filters |= {name: getattr(wording, name) for name in words}
    return made
