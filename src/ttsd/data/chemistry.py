"""Chemical formulas as they are said: letters and numbers one by one."""

import re
from collections.abc import Callable

_ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm"
)
_ELEMENT = "|".join(sorted(_ELEMENTS.split(), key=len, reverse=True))
_PART = rf"(?:(?:{_ELEMENT})\d{{0,3}}|\((?:(?:{_ELEMENT})\d{{0,3}}){{1,6}}\)\d{{0,3}})"
FORMULA = re.compile(rf"(?<![\w.$-])(?P<formula>{_PART}{{1,12}})(?P<charge>\^?\d?[+−-](?![\w]))?(?![\w'])")
"""A run of element symbols with their counts, perhaps in brackets, and perhaps with a charge."""
_ATOM = re.compile(rf"(?P<element>{_ELEMENT})|(?P<count>\d+)|(?P<bracket>[()])")
# Capital letters that are something else where no number is among them.
_NOT_CHEMISTRY = frozenset(("HeLa", "NaN", "CoOp", "PhD", "BiOS", "YouTube", "CuPy", "SciPy", "PyPI"))


def speak_formulas(text: str, speak_number: Callable[[str], str]) -> str:
    """Return the text with its chemical formulas as letters and numbers: "H2SO4" becomes "H two S O four".

    A formula has a number or a charge in it, or two element symbols of which one has a small letter, as NaCl has:
    capital letters alone are an abbreviation.

    Args:
        text: With digits in place of subscripts and superscripts behind `^`.
        speak_number: Says digits as a number.
    """

    def speak(match: re.Match[str]) -> str:
        formula, charge = match["formula"], match["charge"] or ""
        symbols = [part["element"] for part in _ATOM.finditer(formula) if part["element"]]
        has_count = any(character.isdigit() for character in formula)
        is_compound = len(symbols) > 1 and any(len(symbol) == 2 for symbol in symbols)
        if formula in _NOT_CHEMISTRY or not (has_count or is_compound or charge.startswith("^")):
            return match.group()
        if len(symbols) == 1 and not charge.startswith("^"):
            # "O2" is spoken alike as a formula and as a name, and "In 1" is neither.
            if len(symbols[0]) == 2:
                return match.group()
            charge = ""
        words = []
        for part in _ATOM.finditer(formula):
            if part["element"]:
                words += list(part["element"].upper())
            elif part["count"]:
                words.append(speak_number(part["count"]))
        if charge:
            size = "".join(filter(str.isdigit, charge))
            words += [speak_number(size)] if size else []
            words.append("plus" if charge.endswith("+") else "minus")
        # A minus that is no charge is left for the other rules.
        rest = match["charge"] or "" if not charge else ""
        return f" {' '.join(words)} {rest}"

    return FORMULA.sub(speak, text)
