"""Results are found by key, survive the process, and a damaged file costs nothing but time."""

import pytest

from ttsd.errors import StageError
from ttsd.utils.cache import CACHE_NAME, Cache


def test_results_are_found_again_by_another_opening(tmp_path):
    with Cache(tmp_path / "new" / "cache") as cache:
        cache.write({"a": {"cer": 0.25}, "ü": ["x", None]})
        assert cache.read(["a", "ü", "missing"]) == {"a": {"cer": 0.25}, "ü": ["x", None]}
    with Cache(tmp_path / "new" / "cache") as cache:
        assert cache.read(["ü"]) == {"ü": ["x", None]}


def test_more_keys_than_sqlite_takes_in_one_query(tmp_path):
    with Cache(tmp_path) as cache:
        cache.write({str(number): number for number in range(3000)})
        assert cache.read(map(str, range(4000))) == {str(number): number for number in range(3000)}


def test_a_later_result_replaces_the_earlier(tmp_path):
    with Cache(tmp_path) as cache:
        cache.write({"a": 1})
        cache.write({"a": 2})
        assert cache.read(["a"]) == {"a": 2}


def test_a_damaged_file_is_made_anew(tmp_path):
    (tmp_path / CACHE_NAME).write_bytes(b"not a database at all" * 100)
    with Cache(tmp_path) as cache:
        assert cache.read(["a"]) == {}
        cache.write({"a": 1})
        assert cache.read(["a"]) == {"a": 1}


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StageError, match="cache"):
        Cache(tmp_path / "cache")
