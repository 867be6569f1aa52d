"""Whether the subject of a prompt stands where anybody would look for it.

A rewrite that names the wrong words is worse than one that names none, and where a subject begins and ends takes more grammar than a small
network has. So lines with {topic} are composed only where a few words ahead and behind decide it.
"""

import re

LONGEST = 5
"Words of a subject that is named."
_STRONG = frozenset(
    """
about called compare concerning define describe discuss explain explaining learn learning named on regarding subject: summarise summarize
teach theme: titled topic: understand
""".split()
)
_DETERMINERS = frozenset("a an her his its my our some the their these this your".split())
_STOPS = " .?!\"'”’\n"
_SENTENCE = re.compile(r"[.?!]\s|\n")
_ASKING = re.compile(
    r"(?:what(?:['’]s| is| are| was| were| does| do)|who(?:['’]s| is| was| were)"
    r"|how (?:does|do|did|to)|why (?:is|are|do|does|did|was|were))$"
)
_WORD = re.compile(r"[\w'’:-]+")


def in_plain_view(prompt: str, subject: str) -> bool:
    """Whether `subject` is led in by "about", "explain" or another word that leads to subjects, the first of its kind, or by the question
    that begins the prompt, and ends the prompt, which is one sentence.
    """
    start = prompt.find(subject)
    if not subject or start < 0 or len(subject.split()) > LONGEST:
        return False
    if prompt[start + len(subject) :].strip(_STOPS) or _SENTENCE.search(prompt[:start]):
        return False
    words = _WORD.findall(prompt[:start].lower())
    while words and words[-1] in _DETERMINERS:
        words.pop()
    if not words:
        return False
    *before, lead = words
    return _STRONG.isdisjoint(before) if lead in _STRONG else _ASKING.search(" ".join(words)) is not None
