"""The page of a listening test: one file beside its clips, for the small server or any static host."""

from pathlib import Path

from ttsd.data.hearing_test import RANGES, Test
from ttsd.utils.files import write_text
from ttsd.web.pages import as_script, render_page


def write_page(path: Path, test: Test) -> None:
    """Write the page of a test.

    Args:
        path: The HTML file; the clips lie in `clips/` beside it.
        test: What listeners may know.
    """
    known = as_script(test.model_dump(mode="json") | {"ranges": RANGES})
    write_text(path, render_page("hearing.html.j2", test=test, known=known))
