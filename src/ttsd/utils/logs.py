"""Logging: one handler, on standard error."""

import logging
import sys


def set_up_logging(verbose: bool = False) -> None:
    """Send ttsd's log to standard error; other libraries' from warnings up.

    Args:
        verbose: Show ttsd's debug messages too.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    logging.getLogger("ttsd").setLevel(logging.DEBUG if verbose else logging.INFO)
