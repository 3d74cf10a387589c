"""Greek letters and mathematical signs as English words."""

GREEK_LETTERS = {
    letter: name
    for name, letters in {
        "alpha": "αΑ", "beta": "βΒ", "gamma": "γΓ", "delta": "δΔ", "epsilon": "εΕϵ", "zeta": "ζΖ", "eta": "ηΗ",
        "theta": "θΘϑ", "iota": "ιΙ", "kappa": "κΚ", "lambda": "λΛ", "mu": "μΜµ", "nu": "νΝ", "xi": "ξΞ",
        "omicron": "οΟ", "pi": "πΠ", "rho": "ρΡ", "sigma": "σςΣ", "tau": "τΤ", "upsilon": "υΥ", "phi": "φϕΦ",
        "chi": "χΧ", "psi": "ψΨ", "omega": "ωΩ",
    }.items()
    for letter in letters
}  # fmt: skip
"""English name of every Greek letter without accents."""

SYMBOLS = {
    "&": "and", "+": "plus", "=": "equals", "×": "times", "⋅": "times", "·": "times", "÷": "divided by",
    "±": "plus or minus",
    "≈": "is approximately", "≠": "is not equal to", "≤": "is less than or equal to",
    "≥": "is greater than or equal to",
    "<": "is less than", ">": "is greater than", "→": "to", "⇒": "to", "%": "percent", "‰": "per mille", "°": "degrees",
    "@": "at", "#": "number", "§": "section", "~": "about", "$": "dollars", "€": "euros", "£": "pounds", "¥": "yen",
    "∈": "in", "∉": "not in", "∀": "for all", "∃": "there exists", "∑": "the sum of", "∏": "the product of",
    "∫": "the integral of", "∂": "partial", "∇": "nabla", "∪": "union", "∩": "intersection", "⊂": "is a subset of",
    "∅": "the empty set", "∝": "is proportional to", "≡": "is identical to", "↔": "if and only if",
    "⇔": "if and only if",    "∞": "infinity", "√": "the square root of", "−": "minus", "/": "slash",
}  # fmt: skip
"""Every sign that is said, as words."""
