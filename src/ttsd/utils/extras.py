"""Optional packages: imported when needed, and answered with their pip line when they are missing."""

import importlib
from types import ModuleType

from ttsd.errors import MissingExtraError


def require(extra: str, module: str) -> ModuleType:
    """Import an optional module.

    Args:
        extra: The extra of this package that brings the module, as in `pip install 'ttsd[train]'`.
        module: Dotted name of the module.

    Raises:
        MissingExtraError: The module is not installed; the message carries the pip line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise MissingExtraError(
            f"this needs the package that brings `{missing}`: pip install 'ttsd[{extra}]'"
        ) from None
