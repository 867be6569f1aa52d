"""Backslash escapes as most languages have them, and how to write them."""

import re
from collections.abc import Callable

SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "\\": "\\", '"': '"', "'": "'"}
NAMES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
DIGITS = r"x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}"


def from_digits(escape: str) -> str:
    r"""The character of `\x41`, `\u0041`, `\U00000041` or `\u{41}`. Raises ValueError when there is none."""
    number = int(escape[2:].strip("{}"), 16)
    if 0xD800 <= number < 0xE000:
        raise ValueError("half a character")
    return chr(number)


def decode_common(escape: str) -> str:
    """The value of an escape that nearly all languages share. Raises ValueError for any other."""
    if escape[1:2] in ("x", "u", "U"):
        return from_digits(escape)
    if escape[1:] not in SIMPLE:
        raise ValueError(escape)
    return SIMPLE[escape[1:]]


def escaper(characters: str, control: str = "\\x{:02x}", kept: str = "") -> Callable[[str], str]:
    """A function that escapes `characters` and control characters but those `kept`, which are written as `control` says."""
    unkept = "".join(character for character in map(chr, (*range(0x20), 0x7F)) if character not in kept)
    pattern = re.compile(f"[{re.escape(characters + unkept)}]")

    def spelled(found: re.Match[str]) -> str:
        character = found.group()
        if character in characters and character > " ":
            return f"\\{character}" if character < "\x7f" else f"\\u{ord(character):04x}"
        return NAMES.get(character) or control.format(ord(character))

    return lambda text: pattern.sub(spelled, text)


def as_it_is(text: str) -> str:
    """`text`, whatever it is."""
    return text


def verbatim(text: str) -> str:
    """`text`, for notations without escapes. Raises ValueError when it has a control character, which would have to be escaped."""
    if _CONTROL.search(text):
        raise ValueError("it has a control character")
    return text


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
