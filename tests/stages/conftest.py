"""What trainings leave behind."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _students_go() -> Iterator[None]:
    # A module and its trainer know each other: their weights stay until somebody looks for such circles.
    yield
    gc.collect()
