"""Which settings hold for a document."""

import pytest

from promptopt.lsp.configuration import Configuration
from promptopt.settings import Settings


def test_the_innermost_folder_decides() -> None:
    configuration = Configuration(Settings())
    scopes = ["file:///a", "file:///a/b"]
    assert configuration.pulled(scopes, [{"adapter": "x"}, {"threads": 1}, {"threads": 2}]) == []
    found = {uri: configuration.of(uri) for uri in ("file:///a/c.md", "file:///a/b/c.md", "file:///ab/c.md", "untitled:1")}
    assert [(settings.adapter, settings.threads) for settings in found.values()] == [("x", 1), ("x", 2), ("x", 0), ("x", 0)]


@pytest.mark.parametrize("folder", ["file:///c%3A/my%20notes", "file:///c:/my%20notes", "file:///c%3A/my notes/"])
def test_a_folder_is_found_however_its_address_is_spelled(folder: str) -> None:
    configuration = Configuration(Settings())
    assert configuration.pulled([folder], [None, {"threads": 2}]) == []
    assert configuration.of("file:///c%3A/my%20notes/n%C3%B6te.md").threads == 2
    assert configuration.of("file:///c%3A/my%20notes%20too/b.md").threads == 0


def test_what_is_not_sent_again_is_as_it_was_at_the_start() -> None:
    configuration = Configuration(Settings())
    assert configuration.initialize({"threads": 3}, "info") == []
    assert configuration.push({"promptopt": {"adapter": "mine"}}) == []
    assert configuration.general == Settings(adapter="mine", threads=3, log_level="info")
    assert configuration.push({"promptopt": {}}) == []
    assert configuration.general == Settings(threads=3, log_level="info")


@pytest.mark.parametrize("answers", [[], [None], [None, None]])
def test_no_answer_means_the_settings_of_the_start(answers: list[None]) -> None:
    configuration = Configuration(Settings(threads=5))
    assert configuration.pulled(["file:///a"], answers) == []
    assert configuration.of("file:///a/b.md") == Settings(threads=5)


def test_a_value_that_is_wrong_everywhere_is_reported_once() -> None:
    configuration = Configuration(Settings())
    wrong = {"threads": -1}
    assert configuration.pulled(["file:///a"], [wrong, wrong]) == ["promptopt.threads should be between 0 and 256, not -1; 0 is used."]
