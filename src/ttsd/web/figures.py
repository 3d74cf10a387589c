"""How figures are written for a reader."""

NOTHING = "\u2013"
_UNITS = {
    "percent": (100, 1, "%"),
    "cosine": (1, 3, ""),
    "db": (1, 2, "dB"),
    "cents": (1, 0, "cents"),
    "semitones": (1, 2, "st"),
    "opinion": (1, 2, ""),
    "ratio": (1, 2, ""),
    "seconds": (1, 2, "s"),
    "hz": (1, 0, "Hz"),
    "lufs": (1, 1, "LUFS"),
}
"""Scale, decimals and unit, by kind."""


def write_figure(value: float | None, kind: str, signed: bool = False, bare: bool = False) -> str:
    """Write a figure for a reader.

    Args:
        value: The figure, or none where there is none.
        kind: A unit of `ttsd.metrics.catalogue`.
        signed: Show the sign of a difference; differences of percentages are points, those of loudness are LU.
        bare: Leave the unit out.
    """
    if value is None:
        return NOTHING
    scale, decimals, unit = _UNITS[kind]
    if signed:
        unit = {"percent": "points", "lufs": "LU"}.get(kind, unit)
    number = f"{scale * value:{'+' if signed else ''}.{decimals}f}"
    if float(number) == 0:
        number = number.lstrip("+-")
    number = number.replace("-", "\u2212")
    # A no-break space: the unit stays with its number.
    return f"{number}\u00a0{unit}" if unit and not bare else number


def write_count(value: float | None) -> str:
    """Write a large whole number with thin spaces between the thousands."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")
