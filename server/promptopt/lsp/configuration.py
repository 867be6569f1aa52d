"""The settings that hold for a document: from the command line, initializationOptions and workspace/configuration, in that order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from lsprotocol import types

from promptopt.settings import Settings, parse_settings

SECTION = "promptopt"


class Configuration:
    """The settings of the whole session and those of each workspace folder that has its own.

    What a client sends replaces what it sent before; what it leaves out is as it was at the start.
    """

    def __init__(self, started: Settings) -> None:
        self._started = started
        self._folders: dict[str, Settings] = {}
        self.general = started

    def initialize(self, options: Any, log_level: str) -> list[str]:
        """Takes over initializationOptions; returns a sentence for each value that was wrong."""
        self._started, problems = parse_settings(options, replace(self._started, log_level=log_level))
        self.general = self._started
        return problems

    def push(self, settings: Any) -> list[str]:
        """Takes over what workspace/didChangeConfiguration brings, with or without its section; returns what was wrong."""
        section = settings.get(SECTION, settings) if isinstance(settings, Mapping) else settings
        self.general, problems = parse_settings(section, self._started)
        self._folders.clear()
        return problems

    def pulled(self, scopes: Sequence[str], answers: Sequence[Any]) -> list[str]:
        """Takes over the answer to workspace/configuration: the first for all documents, one more for each of `scopes`."""
        self.general, problems = parse_settings(answers[0] if answers else None, self._started)
        self._folders = {}
        for scope, answer in zip(scopes, answers[1:], strict=False):
            self._folders[scope], wrong = parse_settings(answer, self.general)
            problems += [problem for problem in wrong if problem not in problems]
        return problems

    def of(self, uri: str) -> Settings:
        """The settings for a document: those of the innermost workspace folder that it lies in, however the two are quoted."""
        around = [folder for folder in self._folders if f"{unquote(uri)}/".startswith(unquote(folder).rstrip("/") + "/")]
        return self._folders[max(around, key=len)] if around else self.general


def items(scopes: Sequence[str]) -> types.ConfigurationParams:
    """What to ask the client for: our section, without a scope and for each of `scopes`."""
    asked = [types.ConfigurationItem(section=SECTION), *(types.ConfigurationItem(scope_uri=scope, section=SECTION) for scope in scopes)]
    return types.ConfigurationParams(items=asked)
