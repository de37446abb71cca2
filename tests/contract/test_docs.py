"""What README and CONTRIBUTING name is there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.spec.features_page import HEAD, examples, sections
from wellkept.catalogue import families
from wellkept.parts import discover
from wellkept.spec import Spec, load_spec

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PARTS = dict(re.findall(r"^\| `(\w+)/` \| (.*) \|$", README.partition("<!-- parts -->")[2], re.MULTILINE))


@pytest.mark.parametrize("folder", ["sources", "features", "targets"])
def test_the_parts_that_the_readme_names_are_there(folder: str) -> None:
    named = re.findall(r"`(\w+)`", PARTS[folder])
    assert named
    assert set(named) <= set(discover(folder))


SPECS = sorted(p for p in (ROOT / "models").glob("*.toml") if not p.name.endswith(".card.toml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_model_in_the_repository_can_be_read_and_is_named_as_its_target(path: Path) -> None:
    assert load_spec(path).target == path.stem
    assert f"`{path.stem}`" in PARTS["models"]


def test_the_model_in_the_readme_is_complete() -> None:
    text = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert text
    assert len(text[1].strip().splitlines()) <= 15
    assert Spec.model_validate(tomllib.loads(text[1])).families == ("auto",)


PAGES = ("README.md", "CONTRIBUTING.md", "DECISIONS.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_to_is_there(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text())
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_no_committed_text_names_a_registry_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "index-url" not in lock.replace("--no-emit-index-url", "")
    assert "://" not in lock


def test_the_simulator_page_names_every_world_drift_and_trap() -> None:
    from wellkept.simulator.drifting import DRIFTS
    from wellkept.simulator.traps import TRAPS
    from wellkept.simulator.worlds import WORLDS

    page = (ROOT / "docs" / "simulator.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)) == {*WORLDS, *DRIFTS, *TRAPS}


@pytest.mark.parametrize("family", json.loads((ROOT / "tests" / "contract" / "catalogue.json").read_text()))
def test_every_feature_has_a_drawn_example_and_every_example_a_feature(family: str) -> None:
    """Draw its journeys in EXAMPLES of tests/spec/test_<family>.py; a new family may come without at first."""
    assert {name for name, *_ in examples(family)} == {f.name for f in families()[family]}


def test_the_feature_page_is_what_the_catalogue_and_its_examples_say() -> None:
    """New families are welcome; `python -m tests.spec.features_page > docs/features.md` adds them."""
    head, *written = (ROOT / "docs" / "features.md").read_text().split("\n## ")
    made = "\n".join(["", *sections().values()]).split("\n## ")
    assert head.strip() == HEAD.strip()
    assert written
    assert [section.partition("\n")[0] for section in written if section.strip() not in map(str.strip, made)] == []
