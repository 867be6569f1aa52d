"""What is rewritten, and where it stands later."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptopt.lsp.selection import Selection, Source, anchored, movable, select_around
from promptopt.lsp.selection import select as select_in

TEXTS = st.text(alphabet=st.sampled_from("ab \t\r\n😀\u2028"), max_size=30)


def select(document: str, start: int, end: int) -> Selection | None:
    return select_in(Source(document), start, end)


def places(document: str, text: str) -> list[int]:
    """Every offset where `text` stands, overlapping ones too."""
    return [start for start in range(len(document)) if document[start : start + len(text)] == text]


def test_the_end_lies_behind_the_text() -> None:
    assert Selection(4, "créer😀").end == 10


@pytest.mark.parametrize(("start", "end"), [(0, 0), (3, 3), (13, 13)])
def test_nothing_selected_is_no_selection(start: int, end: int) -> None:
    assert select("make it quick", start, end) is None


@pytest.mark.parametrize("blank", ["  ", "\n\n", " \t\r\n ", "\u2028\u2028", "\u00a0\u00a0"])
def test_white_space_alone_is_no_selection(blank: str) -> None:
    assert select(f"one{blank}two", 3, 3 + len(blank)) is None


@pytest.mark.parametrize(("start", "end"), [(2, 9), (9, 2), (1, 10), (0, 11), (2, 11), (0, 9)])
def test_white_space_around_the_prompt_is_left_out(start: int, end: int) -> None:
    assert select("  make it\n ", start, end) == Selection(2, "make it")


def test_white_space_within_the_prompt_is_kept() -> None:
    assert select("x\n a\n\n  b\ny", 1, 10) == Selection(3, "a\n\n  b")


@pytest.mark.parametrize("offset", range(5, 15))
def test_one_character_is_widened_to_its_paragraph(offset: int) -> None:
    document = "one\n\ntwo\nthree\n\nfour"
    assert select(document, offset, offset + 1) == Selection(5, "two\nthree")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_paragraph_is_found_with_every_kind_of_line_end(newline: str) -> None:
    document = newline.join(["one", "", "two", "three", " \t", "four"])
    start = document.index("two")
    assert select(document, start + 1, start + 2) == Selection(start, f"two{newline}three")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_without_a_blank_one_between_them_are_one_paragraph(newline: str) -> None:
    document = newline.join(["one", "two", "three"])
    assert select(document, 0, 1) == Selection(0, document)
    assert select(document, len(document) - 1, len(document)) == Selection(0, document)


@pytest.mark.parametrize(("offset", "expected"), [(0, Selection(0, "one")), (5, Selection(5, "two")), (7, Selection(5, "two"))])
def test_the_first_and_the_last_paragraph_reach_to_the_ends(offset: int, expected: Selection) -> None:
    assert select("one\n\ntwo", offset, offset + 1) == expected


def test_one_emoji_is_one_character() -> None:
    assert select("make 😀 smile", 5, 6) == Selection(0, "make 😀 smile")


def test_a_selected_crlf_counts_as_one_character() -> None:
    assert select("one\r\ntwo", 3, 5) == Selection(0, "one\r\ntwo")


def test_two_characters_are_not_widened() -> None:
    assert select("make it", 5, 7) == Selection(5, "it")


def test_one_blank_in_an_empty_document_is_no_selection() -> None:
    assert select(" ", 0, 1) is None


@given(TEXTS, st.integers(0, 30), st.integers(0, 30))
@example("a\r\nb", 0, 1)
def test_a_selection_is_a_stripped_piece_of_the_document(document: str, start: int, end: int) -> None:
    start, end = min(start, len(document)), min(end, len(document))
    found = select(document, start, end)
    low, high = sorted((start, end))
    if high - low > 1 and document[low:high] != "\r\n":
        assert (found.text if found else "") == document[low:high].strip()
    if found is not None:
        assert document[found.start : found.end] == found.text == found.text.strip() != ""


@pytest.mark.parametrize("alone", [True, False])
def test_in_an_unchanged_document_the_old_place_holds_even_where_the_text_stands_twice(alone: bool) -> None:
    assert anchored("do it, do it", Selection(7, "do it"), True, alone) == Selection(7, "do it")


def test_in_a_changed_document_a_text_that_stands_twice_is_not_found_even_at_its_old_place() -> None:
    assert anchored("TODO fix\nTODO fix", Selection(9, "TODO fix"), False, True) is None


@pytest.mark.parametrize("unchanged", [True, False])
def test_a_text_that_moved_is_found_where_it_is_now_if_it_was_alone(unchanged: bool) -> None:
    assert anchored("please do it", Selection(0, "do it"), unchanged, True) == Selection(7, "do it")
    assert anchored("please do it", Selection(0, "do it"), unchanged, False) is None


def test_the_other_of_two_is_never_taken_for_one_that_is_gone() -> None:
    asked = Selection(0, "TODO fix")
    assert not movable("TODO fix\nTODO fix\n", asked)
    assert anchored("TODO fix\n", asked, False, False) is None


@pytest.mark.parametrize("unchanged", [True, False])
@pytest.mark.parametrize("document", ["", "do", "do  it", "so: do it, do it", "DO IT", "# undo it", "# do its", "x_do it", "do it2"])
def test_a_text_that_is_gone_or_stands_twice_or_within_words_is_not_found(document: str, unchanged: bool) -> None:
    assert anchored(document, Selection(1, "do it"), unchanged, True) is None


def test_a_text_that_overlaps_itself_elsewhere_stands_twice() -> None:
    assert anchored("x aXa Xa", Selection(0, "a"), True, True) is None
    assert not movable("aXaXa", Selection(0, "aXa"))


@pytest.mark.parametrize(
    ("document", "start", "expected"),
    [
        ("do it", 0, True),
        ("(do it)", 1, True),
        ("do it. do it", 0, False),
        ("undo it", 2, False),
        ("do its", 0, False),
        ("do it", 1, False),
    ],
)
def test_a_text_is_movable_that_stands_once_as_whole_words(document: str, start: int, expected: bool) -> None:
    assert movable(document, Selection(start, "do it")) is expected


def test_a_text_that_has_no_letters_at_its_ends_has_no_words_around_it() -> None:
    assert movable("x(do it)y", Selection(1, "(do it)"))


@given(TEXTS, TEXTS.filter(bool), st.integers(0, 30), st.booleans(), st.booleans())
@example(" aXaXa", "aXa", 0, True, True)
@example("xab", "a", 0, False, True)
def test_a_text_is_anchored_at_its_old_place_or_at_its_only_one_if_it_was_alone(
    document: str, text: str, start: int, unchanged: bool, alone: bool
) -> None:
    found = anchored(document, Selection(start, text), unchanged, alone)
    everywhere = places(document, text)
    if unchanged and start in everywhere:
        assert found == Selection(start, text)
    elif alone and len(everywhere) == 1 and whole_words(document, text, everywhere[0]):
        assert found == Selection(everywhere[0], text)
    else:
        assert found is None


def whole_words(document: str, text: str, start: int) -> bool:
    """Whether no letter stands at either end of `text` next to one of it."""
    ahead, behind = document[:start][-1:], document[start + len(text) :][:1]
    return not (ahead.isalpha() and text[0].isalpha()) and not (behind.isalpha() and text[-1].isalpha())


@pytest.mark.parametrize(
    ("document", "expected"),
    [("x = 1\n# create a\n# function\ny = 2\n", "# create a\n# function"), ("x = 'create a'\n", "create a"), ("create a\n\nb", "create a")],
)
def test_a_cursor_is_in_its_comment_its_string_or_its_paragraph(document: str, expected: str) -> None:
    at = document.index("create")
    assert select_around(Source(document, "python"), at) == Selection(document.index(expected), expected)
    assert select_in(Source(document, "", "a.py"), at, at + 1) == Selection(document.index(expected), expected)


def test_a_cursor_in_white_space_is_nowhere() -> None:
    assert select_around(Source("a\n\n  \n\nb"), 4) is None


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("blank", ["", "  ", "\t"])
@pytest.mark.parametrize("language", ["python", "plaintext"])
def test_a_cursor_on_an_empty_line_is_at_no_text(newline: str, blank: str, language: str) -> None:
    document = newline.join([blank, "one", blank, "two", blank])
    between = document.index("one") + len("one" + newline)
    for at in (0, between, between + len(blank), len(document)):
        assert select_around(Source(document, language), at) is None
    assert select_in(Source(document, language), between + len(blank), between + len(blank + newline)) is None
    assert select_around(Source(document, language), document.index("two")) == Selection(document.index("two"), "two")


def test_an_empty_line_of_a_string_is_in_the_string() -> None:
    document = 'x = """one\n\ntwo"""\n'
    assert select_around(Source(document, "python"), document.index("\n") + 1) == Selection(document.index("one"), "one\n\ntwo")
