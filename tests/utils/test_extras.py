"""`utils.extras`: a missing package is answered with its pip line."""

import json

import pytest

from ttsd.errors import MissingExtraError
from ttsd.utils.extras import require


def test_an_installed_module_is_imported() -> None:
    assert require("train", "json") is json


def test_a_missing_module_is_answered_with_its_pip_line() -> None:
    with pytest.raises(MissingExtraError, match=r"`no_such_module`: pip install 'ttsd\[train\]'"):
        require("train", "no_such_module")
