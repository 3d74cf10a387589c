from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsd.errors import TranscriptError
from ttsd.transcripts.formula import speak_formula
from ttsd.transcripts.inline import HOLES, speak_code
from ttsd.transcripts.markdown import find_guides, parse_guide, read_guide


def read_aloud(markdown: str) -> list[str]:
    """Return the text of every block that is read aloud; a hole is shown as its reason in brackets."""
    guide = parse_guide(markdown, "guide.md")
    texts = [block.text for section in guide.sections for block in section.blocks if block.reason is None]
    for hole, reason in HOLES.items():
        texts = [text.replace(hole, f"[{reason}]") for text in texts]
    return texts


def left_out(markdown: str) -> list[str]:
    guide = parse_guide(markdown, "guide.md")
    return [block.reason for section in guide.sections for block in section.blocks if block.reason is not None]


@pytest.mark.parametrize(
    ("markdown", "texts"),
    [
        ("Plain *text* with **strong**, __bold__ and ***both***.", ["Plain text with strong, bold and both."]),
        (
            "Two lines\nof one paragraph.\n\nAnother  \nwith a break.",
            ["Two lines of one paragraph.", "Another with a break."],
        ),
        ("It was ~~never~~ good.", ["It was good."]),
        ("See [the guide](https://a.org/b 'T') now.", ["See the guide now."]),
        ("See [the guide][1] now.\n\n[1]: https://a.org", ["See the guide now."]),
        ("See <https://a.org/b>.", ["See [url]."]),
        ("See https://a.org/b_c*d. Then go.", ["See [url]. Then go."]),
        ("Write to me@a.org.", ["Write to [url]."]),
        ("- one\n- two\n  - deep *two*\n\n3. three", ["one", "two", "deep two", "three"]),
        ("- [ ] to do\n- [x] done", ["to do", "done"]),
        ("> Quoted.\n>\n> > Twice.", ["Quoted.", "Twice."]),
        ("> [!NOTE]\n> Take care.", ["Take care."]),
        ("| A | B |\n|---|---|\n| one | two |\n| | four |", ["A: one, B: two", "B: four"]),
        ("| A | B |\n|---|---|\n| x, y | `z` |", ["A: x, y; B: z"]),
        ("| What? | B |\n|---|---|\n| this. | *that* |", ["What? this, B: that"]),
        ("Use `my_name` and `len()`.", ["Use my name and len."]),
        ("Use `a[0] = {1}`. Fine.", ["Use [code]. Fine."]),
        ("![A green leaf](leaf.png)", ["A green leaf"]),
        ("Press ![icon](i.png) now.", ["Press now."]),
        ("So $x^2$ is it.", ["So x squared is it."]),
        ("So $\\sum_i x_i$ is it. Good.", ["So [formula] is it. Good."]),
        ("$$V = I \\times R$$", ["V equals I times R"]),
        ("It costs $5 and then $10.", ["It costs $5 and then $10."]),
        ("H<sub>2</sub>O is <b>wet</b>.<br>Yes. <!-- no -->", ["H2O is wet. Yes."]),
        ("Fish &amp; chips &lt; steak &copy; &amp;amp; co", ["Fish & chips is less than steak & co"]),
        ("A \\* B, 5 \\* 3 and a\\_b", ["A times B, 5 times 3 and a b"]),
        ("Unclosed **bold and `code and [link](", ["Unclosed bold and code and (link)("]),
        ("A back\\slash stays out.", ["A back[markup]slash stays out."]),
        ("From here -> there ==now==, [[Page|a page]].", ["From here to there now, a page."]),
        ("Leaf 🍃 and sun ☀️.", ["Leaf and sun."]),
        ("Text[^1] here.\n\n[^1]: The note.", ["Text here.", "The note."]),
        ("Text[^2] here.", ["Text here."]),
        ("mantle\n: hot rock\n: thick", ["mantle: hot rock", "thick"]),
        ("# What is it?\n\n## Name {#id}\n\nText.", ["What is it?", "Text."]),
        ("Line\r\nends\rhere.\r\n\r\nNext.", ["Line ends here.", "Next."]),
        ("السلام عليكم\n\n光合作用。", ["السلام عليكم", "光合作用。"]),
        ("", []),
        ("   \n\n---\n\n***\n", []),
    ],
)
def test_markup_is_never_read_as_text(markdown: str, texts: list[str]) -> None:
    assert read_aloud(markdown) == texts


@pytest.mark.parametrize(
    ("markdown", "reasons"),
    [
        ("---\ntitle: A\n---\n\nText.", ["front_matter"]),
        ("```python\nx = 1\n```\n\n    indented", ["code", "code"]),
        ("<div>\nhidden\n</div>\n\n<!-- gone -->", ["html", "html"]),
        ("$$\n\\int_0^1 x dx\n$$", ["formula"]),
        ("![leaf](leaf.png)", ["image"]),
        ("# A name\n\nText.", ["heading"]),
        (">" * 200 + " deep", ["nested_too_deep"]),
        ("| A | B |\n|---|---|\n\nText.", ["empty_table"]),
    ],
)
def test_what_is_left_out_carries_its_reason(markdown: str, reasons: list[str]) -> None:
    assert left_out(markdown)[: len(reasons)] == reasons


def test_sections_follow_headings_and_know_their_trail() -> None:
    guide = parse_guide("Before.\n\n# A *b*\n\nOne.\n\n## C\n\nTwo.\n\n# D\n\n## C\n\nThree.\n", "x/g.md")
    assert [(s.id, s.heading, s.trail) for s in guide.sections] == [
        ("x/g.md#", "", ()),
        ("x/g.md#a-b", "A b", ("A b",)),
        ("x/g.md#a-b/c", "C", ("A b", "C")),
        ("x/g.md#d", "D", ("D",)),
        ("x/g.md#d/c", "C", ("D", "C")),
    ]


def test_sections_of_the_same_name_get_different_ids() -> None:
    guide = parse_guide("# A\n\nOne.\n\n# A\n\nTwo.\n\n# 光\n\n# 合\n", "g.md")
    assert [section.id for section in guide.sections] == ["g.md#a", "g.md#a~2", "g.md#光", "g.md#合"]


def test_a_section_keeps_its_markdown_as_it_was_written() -> None:
    text = "---\nt: 1\n---\n\n    code\n\n# A\n\n| H |\n|---|\n\n---\n\nB\n=\r\n \r\n> # C\n> text\n\n[1]: x\n"
    guide = parse_guide(text, "g.md")
    assert [section.markdown for section in guide.sections] == [
        "    code",
        "# A\n\n| H |\n|---|\n\n---",
        "B\n=",
        "> # C\n> text\n\n[1]: x",
    ]
    assert all(text[slice(*section.span)] == section.markdown for section in guide.sections)


def test_spans_point_at_the_lines_a_block_comes_from() -> None:
    text = "# Head\r\n\r\nFirst\r\nparagraph.\r\n\r\n| A |\r\n|---|\r\n| cell |\r\n"
    guide = parse_guide(text, "g.md")
    lines = {block.text: text[slice(*block.span)].strip() for block in guide.sections[0].blocks}
    assert lines == {"Head": "# Head", "First paragraph.": "First\r\nparagraph.", "A: cell": "| cell |"}


@pytest.mark.parametrize(
    ("latex", "words"),
    [
        ("x^2", "x squared"),
        ("r^3", "r cubed"),
        ("2^t", "2 to the power of t"),
        ("10^{-3}", "10 to the power of minus 3"),
        (r"\frac{a}{b}", "A over b"),
        (r"I = \frac{V}{R}", "I equals V over R"),
        (r"R = R_1 + R_2", "R equals R 1 plus R 2"),
        (r"\sigma^2 \leq 4", "sigma squared is less than or equal to 4"),
        (r"\sqrt{n}", "the square root of n"),
        ("f(x) = 2x", "f of x equals 2 x"),
        (r"n \log n", "n log n"),
        (r"\Delta t", "capital delta t"),
        (r"90^\circ", "90 degrees"),
        (r"5\%", "5 percent"),
        (r"\text{speed} = 3", "speed equals 3"),
        (r"\alpha \approx 3.14", "alpha is approximately 3.14"),
        ("-1", "minus 1"),
        (r"\frac{a+b}{c}", None),
        (r"(a+b)^2", None),
        (r"n(n-1)", None),
        (r"\sum_{i=1}^n x_i", None),
        (r"x^{n+1}", None),
        (r"\frac{a}", None),
        ("{", None),
        ("x^", None),
        ("", None),
        ("= 3", None),
        ("x" * 1000, None),
    ],
)
def test_a_formula_is_spoken_or_refused(latex: str, words: str | None) -> None:
    assert speak_formula(latex) == words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("for", "for"),
        ("snake_case", "snake case"),
        ("Content-Type", "Content-Type"),
        ("--verbose", "verbose"),
        ("index.html", "index dot html"),
        ("print()", "print"),
        ("a/b", "a slash b"),
        ("x[0]", None),
        ("a && b", None),
        ("__", None),
    ],
)
def test_inline_code_is_spoken_or_refused(code: str, words: str | None) -> None:
    assert speak_code(code) == words


_MARKDOWN = st.lists(
    st.sampled_from(
        ["# ", "## ", "- ", "1. ", "> ", "| ", "|---|---|\n", "```", "`", "$", "$$", "**", "_", "[", "](", ")",
         "![", "<b>", "</b>",
         "<!--", "-->", "\\", "&amp;", "\n", "\n\n", "    ", "word ", "Two words. ", "[^1]", "[^1]: ", ": ",
         "---\n", "\t", "é", "~~",
         "\x00", "\u202e", "\ue000", "🍃", "^", "{", "}", "\\frac", "=="]
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(_MARKDOWN.map("".join), st.text(max_size=80)))
def test_any_text_is_parsed_without_markup_in_what_is_read(text: str) -> None:
    guide = parse_guide(text, "g.md")
    for section in guide.sections:
        for block in section.blocks:
            assert 0 <= block.span[0] <= block.span[1] <= len(text)
            assert block.reason is not None or not set(block.text) & set("*`\\|<>^{}[]_\x00")


@pytest.mark.parametrize(
    "line",
    [
        "The quick brown fox, which is red, jumps over it. " * 20_000,
        "[" * 300_000,
        "![" * 150_000,
        "*a " * 30_000,
        "`a``b" * 20_000,
        "$a " * 30_000,
        "<a " * 30_000,
        "=" * 300_000,
        "a" * 1_000_000,
        ">" * 50_000,
        "- " * 20_000,
        "{." * 50_000,
    ],
    ids=lambda line: line[:6],
)
def test_hostile_lines_are_parsed_piece_by_piece(line: str) -> None:
    # Were a piece's cost to grow with the whole line, this would take minutes and hit the suite's time limit.
    guide = parse_guide(f"{line}\n\nThe end.", "g.md")
    assert guide.sections[-1].blocks[-1].text == "The end."


def test_guides_are_found_in_nested_folders_in_posix_order(tmp_path: Path) -> None:
    for name in ["b.md", "a/z.md", "a/b/c.MARKDOWN", "a.md", ".hidden/x.md", "a/.x.md", "notes.txt", "ü/日本.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("Text.", encoding="utf-8")
    (tmp_path / "folder.md").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find_guides(tmp_path)]
    assert found == ["a.md", "a/b/c.MARKDOWN", "a/z.md", "b.md", "ü/日本.md"]


def test_a_loop_of_links_is_entered_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "guide.md").write_text("Text.", encoding="utf-8")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "dangling.md").symlink_to(tmp_path / "gone.md")
    assert find_guides(tmp_path) == [tmp_path / "a" / "guide.md"]


def test_a_missing_folder_of_guides_is_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"nowhere: no such folder"):
        find_guides(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "sub/bad.md: holds NUL bytes"),
        ("Text".encode("utf-16"), "sub/bad.md: holds NUL bytes"),
        (b"Good line.\nCaf\xe9.\n", "sub/bad.md:2: is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "sub" / "bad.md"
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(TranscriptError, match=message):
        read_guide(path, tmp_path)


def test_an_unreadable_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"gone\.md: cannot be read \(No such file"):
        read_guide(tmp_path / "gone.md", tmp_path)


def test_an_empty_file_has_no_section_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_bytes(b"")
    (tmp_path / "bom.md").write_bytes(b"\xef\xbb\xbf# Head\n\nText.\n")
    assert read_guide(tmp_path / "empty.md", tmp_path).sections == ()
    guide = read_guide(tmp_path / "bom.md", tmp_path)
    assert guide.name == "bom.md"
    assert guide.sections[0].heading == "Head"
    assert guide.sections[0].blocks[0].span == (0, 7)
