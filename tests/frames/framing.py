"""What the tests of frames share: documents with a marked selection, and texts of every kind."""

import pytest
from hypothesis import strategies as st

from promptopt.errors import InvalidInput
from promptopt.frames import Frame, frame_of

SPECIAL = "ab {}$`'\"\\\n\t#/*-<>%;:&|!?[](),.=\r\f\v\u0085\u2028é漢😀\x00\x1b"
PIECES = ['"""', "'''", "```", "*/", "-->", "${x}", "{x}", "{{", "\\n", "\\", "\n\n", " ", "- a", "it's", '"']
TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=st.sampled_from(SPECIAL), max_size=12),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
)
SETTINGS = {"max_examples": 60, "deadline": None}


def framed(marked: str, language: str = "", name: str = "") -> Frame:
    """The frame of what stands between ⟦ and ⟧."""
    ahead, rest = marked.split("⟦")
    selected, behind = rest.split("⟧")
    return frame_of(ahead + selected + behind, language, name, len(ahead), len(ahead) + len(selected))


def rewritten(marked: str, rewrite: str, language: str = "", name: str = "") -> str:
    """The document after a rewrite of the marked selection."""
    frame = framed(marked, language, name)
    return frame.document[: frame.start] + frame.fit(rewrite) + frame.document[frame.end :]


def rewritten_or_refused(marked: str, rewrite: str, language: str) -> str | None:
    """The document after a rewrite, None where the rewrite was refused."""
    try:
        return rewritten(marked, rewrite, language)
    except InvalidInput as error:
        if not str(error).startswith("The rewrite cannot stand in the "):
            raise
        return None


def refused(marked: str, language: str = "", rewrite: str | None = None) -> str:
    """The sentence with which a selection, or a rewrite of it, is refused."""
    with pytest.raises(InvalidInput) as caught:
        rewritten(marked, rewrite or "", language)
    return caught.value.message
