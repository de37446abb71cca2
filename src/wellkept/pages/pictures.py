"""A matplotlib figure in; SVG that can stand inside a page, light or dark, out."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
ABOUT = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
SIZE = re.compile(r'(<svg[^>]*?) width="[^"]*"|(<svg[^>]*?) height="[^"]*"')
BLACK = re.compile(r"(fill|stroke): ?#000000")
BLUE = re.compile(r"#1f5a94", re.IGNORECASE)
NAMED = re.compile(r'(\bid="|xlink:href="#|url\(#)')


def picture(figure: Figure, name: str) -> Markup:
    """The figure as inline SVG: no address outside the page but SVG's own names, no id that another picture has.

    What was black takes the colour of the page's text, what was the model's blue the page's own; the ground is clear.
    """
    import matplotlib as mpl
    from markupsafe import Markup

    words = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(words, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    prefix = re.sub(r"[^a-z0-9]", "-", name.lower())
    svg = ABOUT.sub("", HEAD.sub("", words.getvalue()))
    svg = SIZE.sub(r"\1\2", SIZE.sub(r"\1\2", svg))
    svg = BLACK.sub(r"\1: currentColor", NAMED.sub(rf"\g<1>{prefix}-", svg))
    svg = BLUE.sub("var(--accent)", svg)
    return Markup(svg)  # noqa: S704  # matplotlib escapes the text that it is given
