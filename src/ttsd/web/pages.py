"""How every page is made: from its template, with data that cannot end the script it stands in."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).with_name("templates")


def render_page(template: str, filters: Mapping[str, Callable[..., str]] | None = None, **values: Any) -> str:
    """Return a page.

    Args:
        template: Name of the template.
        filters: Functions that the template may pipe values through, by name.
        values: What the template knows.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters or {}
    return environment.get_template(template).render(**values)


def as_script(data: Any) -> str:
    """Return data as JSON for a script element: nothing in it may end the element, nor open a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
