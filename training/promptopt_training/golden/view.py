"""Whether the subject of a prompt stands where anybody would look for it.

A rewrite that names the wrong words is worse than one that names none, and where a subject begins and ends takes more grammar than a small
network has. So lines with {topic} are composed only where a few words ahead and behind decide it.
"""

import re

from promptopt.units import JOINING_WORDS

LONGEST = 5
"Words of a subject that is named."
NEAR = 12
_STRONG = frozenset(
    """
about called compare concerning define describe discuss explain explaining learn learning named on regarding subject: summarise summarize
teach theme: titled topic: understand
""".split()
)
_WEAK = frozenset("against as between by for from in into of through to using with".split())
_OPEN = _WEAK - {"as", "from", "in", "to", "with"}
"Of the weak words those after which no second one leads to the subject."
_DETERMINERS = frozenset("a an her his its my our some the their these this your".split())
_ENDS = JOINING_WORDS - {"and", "of"}
_ASKING = re.compile(
    r"(?:what(?:['’]s| is| are| was| were| does| do)|who(?:['’]s| is| was| were)"
    r"|how (?:does|do|did|to)|why (?:is|are|do|does|did|was|were))$"
)
_WORD = re.compile(r"[\w'’:-]+")
_NEXT = re.compile(r"\s*([\w'’-]+|[^\w\s])?")


def in_plain_view(prompt: str, subject: str) -> bool:
    """Whether `subject` is led in by a word that leads to subjects, the first of its kind, and ends at a stop or before a joining word.

    Led in: by "about", "explain" and their like; by "of", "for" and their like where there is none of these; by the question or the
    one or two words that begin the prompt.
    """
    start = prompt.find(subject)
    if not subject or start < 0 or len(subject.split()) > LONGEST:
        return False
    after = prompt[start + len(subject) :]
    following = _NEXT.match(after)
    behind = (following[1] or "").lower() if following else ""
    if behind[:1].isalnum() and behind not in _ENDS:
        return False
    words = _WORD.findall(prompt[:start].lower())
    while words and words[-1] in _DETERMINERS:
        words.pop()
    if not words:
        return False
    *before, lead = words
    if lead in _STRONG:
        return _STRONG.isdisjoint(before)
    near = _WORD.findall(after.lower())[:NEAR]
    if _ASKING.search(" ".join(words)):
        return True
    if not _STRONG.isdisjoint([*before, *near]):
        return False
    return _OPEN.isdisjoint(before) if lead in _WEAK else not before[1:]
