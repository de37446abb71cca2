"""One house for the tests that do not change what others see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving import Client, house, serving


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The service of a house that several tests share."""
    with serving(house(tmp_path_factory.mktemp("house"))) as made:
        yield made
