"""Nothing of a prompt or of its rewrite is lost between text and ids."""

import pytest
from fakes import mini_codec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptopt.codec import END, Codec, capitalised, needs_space, prompt_place
from promptopt.errors import RewriteFailed
from promptopt.units import protected_spans, words_and_spans
from promptopt_training.vocabulary import REWRITE

MINI = mini_codec()
LONG = " ".join(f"word{number % 700} and, `code {number}`" for number in range(500))
PARTS = st.sampled_from(
    [
        *("create function", "Create", "fix", "the bug", "`a b`", "{name}", "42", "$5", "https://a.b/c", "don't", "1", "a"),
        *("\n", "\r\n", " ", "  ", "\t", "\0", "\u2028", "\x85", "\ufeff", "\u200f", "\u0338", "\ufffd", "\u2581", "\U0010ffff", "\ud83d"),
        *("\n\n", "\r", "\u00a0", "\u3000", "½", "①", "Å", "ｆｕｌｌ", "ﷺ", "א\u200fב", "a\u00adb", "```\nx = {}\n```"),
        *("😀", "👩\u200d💻", "مرحبا", "日本語", "é", "e\u0301", "ß", "ŉ", "ǆ", "ﬁ", "İ"),
        *("~<\\^`{}", ":", ".", ",", "(", ")", "”", "“", "'", '"', "-", "<extra_id_0>", "<prompt>", "<w0>", "</s>", "<unk>"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PARTS).map("".join), st.lists(PARTS).map(" ".join))
PROMPTS = TEXTS.filter(bool)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A prompt and a text that holds it, and phrases of it besides, some capitalised."""
    prompt = draw(PROMPTS)
    cuts = st.tuples(st.integers(0, len(prompt)), st.integers(0, len(prompt))).map(sorted)
    phrases = cuts.map(lambda cut: prompt[cut[0] : cut[1]])
    around = st.lists(st.one_of(TEXTS, phrases, phrases.map(capitalised), phrases.map(str.upper), st.just(" "))).map("".join)
    return prompt, draw(around) + prompt + draw(around)


def pieces(codec: Codec, ids: list[int]) -> list[str]:
    return [codec.vocabulary.piece(index) for index in ids]


def round_trip(codec: Codec, prompt: str, rewrite: str) -> str:
    return codec.decode(prompt, codec.encode_rewrite(prompt, rewrite))


def structured(prompt: str) -> str:
    return f"Act as a tester.\n\nTask: {prompt}\n\nConstraints:\n- Keep {prompt[:9]}.\n\n\tGoal: {{x}} <y> \\ ~ ^ `z`\r\n"


@MANY
@given(pairs())
def test_every_pair_comes_back(pair: tuple[str, str]) -> None:
    assert round_trip(MINI, *pair) == pair[1]


@MANY
@given(pairs())
def test_every_pair_comes_back_through_a_vocabulary_that_folds_white_space(t5: Codec, pair: tuple[str, str]) -> None:
    assert round_trip(t5, *pair) == pair[1]


HARD = [
    "x",
    "?",
    "\0",
    "\u2581",
    "\u2581a\u2581 b",
    "a\nb\r\nc\td",
    "{a} {{b}} ${c} <d>",
    "   spaced   out   ",
    "سوّ دالة 3 مرات",
    "👩‍💻🇩🇪 flag",
    "\ud800x",
    LONG,
]


@pytest.mark.parametrize("prompt", HARD, ids=range(len(HARD)))
def test_hard_prompts_come_back(t5: Codec, prompt: str) -> None:
    rewrite = structured(prompt)
    assert round_trip(MINI, prompt, rewrite) == rewrite
    assert round_trip(t5, prompt, rewrite) == rewrite


@MANY
@given(pairs())
def test_the_prompt_is_pointed_at_once_and_the_end_written_once(pair: tuple[str, str]) -> None:
    ids = MINI.encode_rewrite(*pair)
    assert (ids.count(MINI.prompt), ids.count(END), ids[-1]) == (1, 1, END)


@pytest.mark.parametrize(("prompt", "rewrite"), [("sort", "Task: Sort"), ("sort it", "sort  it"), ("sort", ""), ("", "anything")])
def test_a_rewrite_without_the_prompt_is_refused(prompt: str, rewrite: str) -> None:
    with pytest.raises(ValueError, match="word for word"):
        MINI.encode_rewrite(prompt, rewrite)


@pytest.mark.parametrize(
    ("rewrite", "written"),
    [
        ("Task: sort frob names quuxly", "Task:<prompt>"),
        ("Task:  sort frob names quuxly", "Task:  <prompt>"),
        ("Task:sort frob names quuxly", "Task:<glue><prompt>"),
        ("sort frob names quuxly.", "<prompt>."),
        ("(sort frob names quuxly)", "(<prompt>)"),
        ("- sort frob names quuxly", "- <prompt>"),
        ("sort frob names quuxly\n- Keep frob names short", "<prompt>\n- Keep<w1><w2> short"),
        ("sort frob names quuxly\n- Frob names stay", "<prompt>\n- <capital><w1><w2> stay"),
        ("sort frob names quuxly\n- FROB names stay", "<prompt>\n- FROB names stay"),
        ("sort frob names quuxly, then quuxly", "<prompt>, then<w3><w3>"),
        ("sort frob names quuxly frob-quuxly", "<prompt><w1><w1>-<w3><w3>"),
        ("sort frob names quuxly superfrob quuxlyish", "<prompt> superfrob quuxlyish"),
        ("names quuxly: sort frob names quuxly", "<w2><w3>:<prompt>"),
    ],
)
def test_phrases_of_the_prompt_are_pointed_at(rewrite: str, written: str) -> None:
    ids = MINI.encode_rewrite("sort frob names quuxly", rewrite)
    assert "".join(pieces(MINI, ids[:-1])).replace("\u2581", " ") == written


def test_a_phrase_as_short_as_its_pointers_is_spelled() -> None:
    ids = MINI.encode_rewrite("the function", "the function. Say the.")
    assert MINI.pointers[0] not in ids


def test_a_word_inside_another_is_not_pointed_at() -> None:
    ids = MINI.encode_rewrite("xylophone", "xylophone xylophones axylophone")
    assert [index for index in ids if index in MINI.ordinals] == []


def test_the_longest_of_several_phrases_is_taken() -> None:
    ids = MINI.encode_rewrite("red xylophone, red xylophone case", "red xylophone, red xylophone case: Red xylophone case")
    assert [MINI.ordinals[index] for index in ids if index in MINI.ordinals] == [2, 4]


def test_with_few_pointers_only_spans_are_pointed_at_each_by_one(t5: Codec) -> None:
    ids = t5.encode_rewrite("quickly open `a b` at 17:45", "quickly open `a b` at 17:45\nQuickly at 17:45 for `a b`")
    assert [t5.ordinals[index] for index in ids if index in t5.ordinals] == [1, 0]


def test_what_the_vocabulary_cannot_spell_is_escaped(t5: Codec) -> None:
    ids = t5.encode_rewrite("sort", "sort{\n}")
    escape = t5.escape
    assert ids == [t5.prompt, escape, *t5.vocabulary.encode("7b"), escape, t5.line_break, escape, *t5.vocabulary.encode("7d"), escape, END]


def test_words_round_what_is_escaped_stay_whole(t5: Codec) -> None:
    rewrite = "sort\nSteps: write the signature {body} list the edge cases  trust"
    ids = t5.encode_rewrite("sort", rewrite)
    brace, closed, space = ([t5.escape, *t5.vocabulary.encode(code), t5.escape] for code in ("7b", "7d", "20"))
    assert ids == [
        *(t5.prompt, t5.line_break, *t5.vocabulary.encode("Steps: write the signature"), *space, *brace, *t5.vocabulary.encode("body")),
        *(*closed, *t5.vocabulary.encode(" list the edge cases"), *space, *space, *t5.vocabulary.encode("trust"), END),
    ]


def test_many_characters_that_cannot_be_spelled_come_back(t5: Codec) -> None:
    rewrite = "sort " + "日本語{}" * 2000
    assert round_trip(t5, "sort", rewrite) == rewrite


def test_a_vocabulary_with_every_byte_escapes_its_own_space_mark_only() -> None:
    escape = MINI.escape
    assert MINI.encode_rewrite("a", "a\u2581") == [MINI.prompt, escape, *MINI.vocabulary.encode("2581"), escape, END]
    assert escape not in MINI.encode_rewrite("a", "a{}\0\t\r\n~^\\`😀مرحبا\ufffd")


def word(number: int) -> int:
    return MINI.pointers[number]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([MINI.prompt], "fix the bug"),
        ([MINI.prompt, END, 9, 9, MINI.prompt], "fix the bug"),
        ([*MINI.plain("Task:"), MINI.prompt], "Task: fix the bug"),
        ([*MINI.plain("Task:"), MINI.glue, MINI.prompt], "Task:fix the bug"),
        ([*MINI.plain("Task: "), MINI.prompt], "Task: fix the bug"),
        ([*MINI.plain("Task:\n"), MINI.prompt], "Task:\nfix the bug"),
        ([*MINI.plain("("), MINI.prompt], "(fix the bug"),
        ([MINI.capital, MINI.prompt], "Fix the bug"),
        ([MINI.prompt, word(0), word(1)], "fix the bug fix the bug"),
        ([MINI.prompt, MINI.capital, word(1), word(1)], "fix the bug Bug"),
        ([MINI.prompt, MINI.glue, word(1), word(1)], "fix the bugbug"),
        ([MINI.prompt, MINI.escape, *MINI.plain("1f600"), MINI.escape], "fix the bug😀"),
        ([MINI.prompt, *MINI.plain("😀")[:2]], "fix the bug\ufffd"),
        ([MINI.prompt, *MINI.plain("😀")[:2], word(1), word(1)], "fix the bug\ufffdbug"),
    ],
)
def test_ids_stand_for_text(ids: list[int], text: str) -> None:
    assert MINI.decode("fix the bug", ids) == text


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ([], "0 pointers to the prompt instead of one"),
        ([END, MINI.prompt], "0 pointers to the prompt instead of one"),
        (MINI.plain("fix the bug"), "0 pointers to the prompt instead of one"),
        ([word(0), word(1)], "0 pointers to the prompt instead of one"),
        ([MINI.prompt, MINI.prompt], "2 pointers to the prompt instead of one"),
        ([MINI.prompt, word(0)], "a pointer without its partner"),
        ([MINI.prompt, word(0), END], "a pointer without its partner"),
        ([MINI.prompt, word(0), *MINI.plain("x"), word(0)], "a pointer without its partner"),
        ([word(0), MINI.prompt], "a pointer without its partner"),
        ([MINI.prompt, word(1), word(0)], "a pointer to words that are not there"),
        ([MINI.prompt, word(0), word(2)], "a pointer to words that are not there"),
        ([MINI.prompt, word(9), word(9)], "a pointer to words that are not there"),
        ([MINI.prompt, MINI.escape, *MINI.plain("xyz"), MINI.escape], "an escape that is no character"),
        ([MINI.prompt, MINI.escape, MINI.escape], "an escape that is no character"),
        ([MINI.prompt, MINI.escape, *MINI.plain("110000"), MINI.escape], "an escape that is no character"),
        ([MINI.prompt, MINI.escape, *MINI.plain("ffffffffffffffffffff"), MINI.escape], "an escape that is no character"),
        ([MINI.prompt, MINI.escape, *MINI.plain("-41"), MINI.escape], "an escape that is no character"),
        ([MINI.prompt, MINI.escape, *MINI.plain("41")], "a pointer without its partner"),
        ([MINI.escape, MINI.prompt, MINI.escape, MINI.prompt], "an escape that is no character"),
    ],
)
def test_malformed_output_is_a_failed_rewrite(ids: list[int], reason: str) -> None:
    with pytest.raises(RewriteFailed) as caught:
        MINI.decode("fix the bug", ids)
    assert caught.value.message == f"The network wrote {reason}."


def test_a_pointer_to_a_span_that_is_not_there_is_a_failed_rewrite(t5: Codec) -> None:
    with pytest.raises(RewriteFailed, match="words that are not there"):
        t5.decode("see `a`", [t5.prompt, t5.pointers[1]])


@pytest.mark.parametrize("within", [MINI.prompt, MINI.glue, MINI.capital, word(0)])
def test_an_escape_that_holds_more_than_a_code_is_a_failed_rewrite(within: int) -> None:
    """A second prompt would go unseen there."""
    with pytest.raises(RewriteFailed, match="an escape that is no character"):
        MINI.decode("fix the bug", [MINI.prompt, MINI.escape, *MINI.plain("1"), within, MINI.escape])


@given(st.lists(st.integers(0, 8300)), PROMPTS)
def test_any_output_is_a_rewrite_with_the_prompt_or_a_failed_one(ids: list[int], prompt: str) -> None:
    try:
        text = MINI.decode(prompt, ids)
    except RewriteFailed:
        return
    assert prompt in text or capitalised(prompt) in text


@given(st.lists(st.sampled_from([MINI.prompt, MINI.glue, MINI.escape, word(0), word(1), word(2), END, *MINI.plain("a1 ")])))
def test_an_accepted_output_points_at_the_prompt_once(ids: list[int]) -> None:
    read = ids[: ids.index(END)] if END in ids else ids
    try:
        text = MINI.decode("fix the bug", ids)
    except RewriteFailed:
        return
    assert read.count(MINI.prompt) == 1
    assert "fix the bug" in text


@MANY
@given(TEXTS, st.integers(1, 40))
def test_what_is_read_fits_its_limit_and_is_ended(prompt: str, limit: int) -> None:
    ids = MINI.encode_prompt(prompt, limit)
    assert len(ids) <= limit
    assert (ids[-1], ids.count(END)) == (END, 1)


@MANY
@given(TEXTS)
def test_each_unit_is_led_in_by_its_pointer(prompt: str) -> None:
    ids = MINI.encode_prompt(prompt, 100_000)
    assert [MINI.ordinals[index] for index in ids if index in MINI.ordinals] == list(range(len(MINI.units(prompt))))


@pytest.mark.parametrize(
    ("prompt", "pointed"),
    [
        ("a poem about the beauty of Rome", ["poem", "beauty", "Rome"]),
        ("The IT team", ["team"]),
        ("what is `the` for?", ["`the`"]),
        ("of the", []),
    ],
)
def test_a_word_that_only_joins_others_is_read_without_a_pointer(prompt: str, pointed: list[str]) -> None:
    assert [prompt[unit.start : unit.end] for unit in MINI.units(prompt)] == pointed


def test_a_phrase_neither_begins_nor_ends_with_a_joining_word() -> None:
    prompt = "tell jokes about the beauty of Rome in spring"
    rewrite = f"Task: {prompt}\n\nGoal: Readers of jokes about the beauty of Rome in."
    ids = MINI.encode_rewrite(prompt, rewrite)
    assert [MINI.ordinals[index] for index in ids if index in MINI.ordinals] == [1, 3]
    assert MINI.decode(prompt, ids) == rewrite


@MANY
@given(TEXTS.filter(lambda text: "\u2581" not in text))
def test_the_whole_prompt_is_read(prompt: str) -> None:
    ids = [index for index in MINI.encode_prompt(prompt, 100_000)[1:-1] if index not in MINI.ordinals]
    read = prompt.encode(errors="replace").decode()
    space = " " if words_and_spans(prompt) and not prompt[0].isspace() else ""
    assert MINI.vocabulary.decode(ids) == space + read


def test_what_is_read_of_a_short_prompt() -> None:
    assert pieces(MINI, MINI.encode_prompt("fix the bug", 512)) == [
        REWRITE,
        "<w0>",
        "\u2581fix",
        "\u2581the",
        "<w1>",
        "\u2581bug",
        "</s>",
    ]


def test_words_beyond_the_last_pointer_are_read_as_text() -> None:
    prompt = " ".join(f"w{chr(97 + number % 26)}" for number in range(200))
    ids = MINI.encode_prompt(prompt, 100_000)
    assert (len(MINI.units(prompt)), ids.count(word(127))) == (128, 1)
    assert MINI.vocabulary.decode(ids) == " " + prompt


def test_a_long_prompt_is_read_up_to_the_limit_and_written_back_whole() -> None:
    ids = MINI.encode_prompt(LONG, 512)
    assert (len(ids), ids[-1]) == (512, END)
    assert MINI.decode(LONG, [*MINI.plain("Task:"), MINI.prompt]) == f"Task: {LONG}"


def test_with_few_pointers_only_spans_are_led_in(t5: Codec) -> None:
    prompt = "open `a b` at 17:45 now\nthen go"
    ids = t5.encode_prompt(prompt, 512)
    assert [t5.ordinals[index] for index in ids if index in t5.ordinals] == [0, 1]
    assert t5.units(prompt) == protected_spans(prompt)
    assert t5.spelled([index for index in ids[:-1] if index not in t5.ordinals]).strip() == "open a b at 17:45 now\nthen go"


@pytest.mark.parametrize(
    ("prompt", "rewrite", "place"),
    [
        ("go", "go", 0),
        ("go", "Task: go\nGoal: go", 6),
        ("go", "let go of it\nTask: go\nmore", 19),
        ("go", "let go of it\n  go\nmore", 15),
        ("go", "let go of it, ongoing", 4),
        ("aa", "baaa", 1),
        ("a\nb", "a\nb c\nTask:\na\nb", 12),
    ],
)
def test_the_prompt_stands_alone_up_to_the_end_of_a_line_if_it_can(prompt: str, rewrite: str, place: int) -> None:
    assert prompt_place(prompt, rewrite) == place


@pytest.mark.parametrize(
    ("ahead", "space"),
    [
        ("a", True),
        ("1", True),
        (":", True),
        ("”", True),
        ("日", True),
        ("", False),
        (" ", False),
        ("\n", False),
        ("(", False),
        ("-", False),
    ],
)
def test_a_space_follows_words_and_closing_punctuation(ahead: str, space: bool) -> None:
    assert needs_space(ahead) is space
