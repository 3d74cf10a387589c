"""The page of a listening test: one file beside its clips, for the small server or any static host."""

import json
from pathlib import Path

from ttsd.data.hearing_test import RANGES, Test
from ttsd.utils.files import write_text

TEMPLATES = Path(__file__).with_name("templates")


def write_page(path: Path, test: Test) -> None:
    """Write the page of a test.

    Args:
        path: The HTML file; the clips lie in `clips/` beside it.
        test: What listeners may know.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    known = json.dumps(test.model_dump(mode="json") | {"ranges": RANGES}, ensure_ascii=False)
    for sign, escape in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        # Inside a script element: nothing may end it, nor open a comment.
        known = known.replace(sign, escape)
    write_text(path, environment.get_template("hearing.html.j2").render(test=test, known=known))
