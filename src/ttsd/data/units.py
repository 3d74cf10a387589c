"""Units of measurement behind a number, as English words."""

import re

# Symbol: singular; the plural takes an s unless it is given.
_UNITS: dict[str, tuple[str, ...]] = {
    "km": ("kilometre",), "m": ("metre",), "cm": ("centimetre",), "mm": ("millimetre",), "μm": ("micrometre",),
    "nm": ("nanometre",), "kg": ("kilogram",), "g": ("gram",), "mg": ("milligram",), "μg": ("microgram",),
    "t": ("tonne",),
    "s": ("second",), "ms": ("millisecond",), "μs": ("microsecond",), "ns": ("nanosecond",), "min": ("minute",),
    "h": ("hour",), "l": ("litre",), "L": ("litre",), "ml": ("millilitre",), "mL": ("millilitre",),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
    "W": ("watt",), "kW": ("kilowatt",), "MW": ("megawatt",), "GW": ("gigawatt",), "kWh": ("kilowatt hour",),
    "V": ("volt",), "kV": ("kilovolt",), "mV": ("millivolt",), "A": ("amp",), "mA": ("milliamp",), "Ω": ("ohm",),
    "kΩ": ("kilohm",), "J": ("joule",), "kJ": ("kilojoule",), "MJ": ("megajoule",), "cal": ("calorie",),
    "kcal": ("kilocalorie",), "N": ("newton",), "Pa": ("pascal",), "kPa": ("kilopascal",), "hPa": ("hectopascal",),
    "bar": ("bar",), "mol": ("mole",), "K": ("kelvin", "kelvin"), "dB": ("decibel",), "eV": ("electronvolt",),
    "B": ("byte",), "KB": ("kilobyte",), "kB": ("kilobyte",), "MB": ("megabyte",), "GB": ("gigabyte",),
    "TB": ("terabyte",),
    "ft": ("foot", "feet"), "lb": ("pound",), "lbs": ("pound",), "oz": ("ounce",), "mi": ("mile",), "yd": ("yard",),
    "ppm": ("part per million", "parts per million"), "ppb": ("part per billion", "parts per billion"),
    "mph": ("mile per hour", "miles per hour"), "rpm": ("revolution per minute", "revolutions per minute"),
    "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree",),
}  # fmt: skip
_POWERS = {"2": "square", "3": "cubic"}
_names = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
# A lone A behind a number is often the article of the next sentence; "1990s" and "5s" are plurals.
UNIT = (
    rf"(?P<unit>(?:\s?°[CF]?|(?: A(?=[.,;:?!)]|$| [a-z])| s|\s?(?!A|s|°)(?:{_names}))(?:\^[23])?)"
    rf"(?:/(?!°)(?:{_names})(?:\^[23])?)?)(?![\w/^°])"
)
"""Pattern of a unit behind a number, with the space before it, as the group `unit`."""


def speak_unit(unit: str, is_one: bool) -> str:
    """Speak a unit that `UNIT` matches: "km/h" is "kilometres per hour", "m^2" "square metres".

    Args:
        unit: The unit, perhaps with a power, perhaps over another one.
        is_one: Of exactly one; the singular is spoken.
    """
    above, slash, below = unit.strip().partition("/")
    spoken = _name(above, is_one)
    if not slash:
        return spoken
    return f"{spoken} per {_name(below, is_one=True)}" if below not in ("s^2",) else f"{spoken} per second squared"


def _name(unit: str, is_one: bool) -> str:
    symbol, _, power = unit.partition("^")
    singular, *plural = _UNITS[symbol]
    name = singular if is_one else plural[0] if plural else f"{singular}s"
    return f"{_POWERS[power]} {name}" if power else name
