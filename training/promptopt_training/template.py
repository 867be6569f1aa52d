"""The honest null: one text for every prompt. A network that does not beat it is not worth loading."""

from dataclasses import dataclass

_TEMPLATE = """Act as an expert in the field of this request.

Context: The answer will be used as it is, so it has to be complete and correct.

Task: {prompt}

Constraints:
- State every assumption where the request leaves something open.
- Be specific and leave out what was not asked for.
- Follow every detail that the request gives.
- Use a structure that suits the content.

Steps:
1. Read the request and list what it asks for.
2. Plan the answer before writing it.
3. Write the answer in full.
4. Check the answer against the request.

Goal: A complete and correct answer that can be used without further questions."""


@dataclass(frozen=True)
class TemplateRewrite:
    """What the template gives for a prompt; it writes no pieces and takes no time worth counting."""

    text: str
    confidence: float = 1.0
    tokens: int = 0
    seconds: float = 0.0


def wrapped(prompt: str) -> str:
    """The fixed text round the prompt."""
    return _TEMPLATE.replace("{prompt}", prompt)


class Template:
    """The fixed text behind the interface of an optimizer."""

    def optimize(self, prompt: str) -> TemplateRewrite:
        """The fixed text round the prompt, whatever the prompt says."""
        return TemplateRewrite(wrapped(prompt))
