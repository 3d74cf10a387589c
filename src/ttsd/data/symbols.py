"""The student's input alphabet: phonemes to ids, in the form that Piper's voices are trained on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttsd.errors import CheckpointError, TtsdError

PAD, BOS, EOS = "_", "^", "$"

# After the chart of the International Phonetic Association (2020), what espeak-ng writes for its languages.
_PUNCTUATION = " .,;:?!'\"-()…—«»¡¿"
_PLAIN_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PLOSIVES = "ʈɖɟɡɢʔʡ"
_NASALS_TRILLS_TAPS = "ɱɳɲŋɴʙʀⱱɾɽɺ"
_FRICATIVES = "ɸβθðʃʒʂʐçʝɣχʁħʕɦʜʢɕʑɧɬɮ"
_APPROXIMANTS = "ʋɹɻɰɭʎʟɫʍɥ"
_CLICKS_IMPLOSIVES = "ʘǀǃǂǁɓɗʄɠʛ"
_VOWELS = "ɨʉɯɪʏʊøɘɵɤəɛœɜɞʌɔæɐɶɑɒɚɝᵻᵊ"
_SUPRASEGMENTALS = "ˈˌːˑ˞↓↑→↗↘"
_MODIFIERS = "ʰʲʷˤˠʼⁿˡ"
_DIACRITICS = "\u0303\u0325\u030a\u0329\u032f\u0327\u032a\u033a\u033b\u031d\u031e\u0324\u0330\u0361\u0306\u0308"
_TONES = "0123456789˥˦˧˨˩"
# Letters outside the chart that espeak-ng writes in some languages.
_OTHERS = "εʦ#"


@dataclass(frozen=True)
class SymbolTable:
    """Which symbol has which id.

    Attributes:
        ids: Id of every symbol; a symbol is one code point, or several where a voice joins them.
        n_symbols: Rows of the embedding, at least the highest id plus one.
    """

    ids: Mapping[str, int]
    n_symbols: int

    @classmethod
    def default(cls) -> "SymbolTable":
        """Return ttsd's own table, for students that start from no voice."""
        groups = (
            PAD + BOS + EOS, _PUNCTUATION, _PLAIN_LETTERS, _PLOSIVES, _NASALS_TRILLS_TAPS, _FRICATIVES, _APPROXIMANTS,
            _CLICKS_IMPLOSIVES, _VOWELS, _SUPRASEGMENTALS, _MODIFIERS, _DIACRITICS, _TONES, _OTHERS,
        )  # fmt: skip
        ids = {symbol: number for number, symbol in enumerate("".join(groups))}
        return cls(ids, len(ids))

    @classmethod
    def from_piper_config(cls, config: Mapping[str, Any]) -> "SymbolTable":
        """Read the table of a Piper voice.

        Args:
            config: The voice's `.onnx.json`.

        Raises:
            CheckpointError: The voice does not take espeak-ng's phonemes, or its table is damaged.
        """
        kind = config.get("phoneme_type", "espeak")
        if kind != "espeak":
            raise CheckpointError(f"the voice takes `{kind}` symbols; choose a Piper voice with phoneme_type espeak")
        # Other keys of several code points are never produced by Piper's own front end.
        joined = {"".join(cluster) for cluster in config.get("vowel_clusters") or ()}
        try:
            ids = {str(s): int(i) for s, (i,) in config["phoneme_id_map"].items() if len(s) == 1 or s in joined}
            n_symbols = int(config.get("num_symbols", max(ids.values()) + 1))
            complete = all(symbol in ids for symbol in (PAD, BOS, EOS)) and max(ids.values()) < n_symbols
        except (KeyError, TypeError, ValueError, AttributeError):
            complete = False
        if not complete:
            raise CheckpointError("the voice's phoneme_id_map is missing or damaged; restore its .onnx.json")
        return cls(ids, n_symbols)

    def unknown_symbols(self, phonemes: str) -> tuple[str, ...]:
        """Return the symbols of a pronunciation that the table lacks, each once, in order."""
        return tuple(dict.fromkeys(symbol for symbol in self._split(phonemes) if symbol not in self.ids))

    def encode(self, phonemes: str) -> list[int]:
        """Return the ids of a pronunciation in Piper's form: BOS, every symbol, EOS, with a pad between any two.

        Args:
            phonemes: IPA in NFD, as `phonemize` returns it.

        Returns:
            2 * n + 3 ids for n symbols.

        Raises:
            TtsdError: A symbol is not in the table; none is dropped in silence.
        """
        unknown = self.unknown_symbols(phonemes)
        if unknown:
            names = ", ".join(f"{symbol} (U+{ord(symbol[0]):04X})" for symbol in unknown)
            raise TtsdError(f"{phonemes[:60]!r}: the voice has no symbol for {names}; reword the text")
        pad = self.ids[PAD]
        ids = [self.ids[BOS], pad]
        for symbol in self._split(phonemes):
            ids += (self.ids[symbol], pad)
        return [*ids, self.ids[EOS]]

    def count_tokens(self, phonemes: str) -> int:
        """Return how many ids `encode` gives for a pronunciation, whether or not the table has its symbols."""
        return 2 * len(self._split(phonemes)) + 3

    @cached_property
    def _pattern(self) -> "re.Pattern[str]":
        joined = sorted((symbol for symbol in self.ids if len(symbol) > 1), key=len, reverse=True)
        return re.compile("|".join([*map(re.escape, joined), "."]), re.DOTALL)

    def _split(self, phonemes: str) -> list[str]:
        return self._pattern.findall(phonemes)
