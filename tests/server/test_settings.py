"""Settings as editors send them."""

from dataclasses import fields, replace
from typing import Any

import pytest

from promptopt.errors import InvalidInput
from promptopt.settings import Settings, camel_case, is_server_url, parse_settings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"engine": "Remote"}, "The setting engine should be one of auto, compiled, reference, remote, not 'Remote'."),
        ({"threads": -3}, "The setting threads should be between 0 and 256, not -3."),
        ({"threads": True}, "The setting threads should be of type int, not True."),
        ({"adapter": " "}, "The setting adapter should be a name or a folder, not ' '."),
    ],
)
def test_settings_of_python_are_held_to_the_same_rules(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings(**values)
    with pytest.raises(InvalidInput):
        replace(Settings(), **values)
    assert (caught.value.message, caught.value.hint) == (said, "Mend it, or leave it out.")


def test_the_defaults() -> None:
    network = {"adapter": "golden", "engine": "auto", "remote_url": "", "threads": 0, "offline": False}
    assert vars(Settings()) == {**network, "log_level": "warning", "idle_unload_seconds": 600}


@pytest.mark.parametrize(("name", "camel"), [("adapter", "adapter"), ("log_level", "logLevel"), ("a_b_c", "aBC")])
def test_camel_case(name: str, camel: str) -> None:
    assert camel_case(name) == camel


def test_every_setting_is_read_by_its_camel_case_name() -> None:
    network = {"adapter": "./mine", "engine": "remote", "remoteUrl": "http://a.b", "threads": 3, "offline": True}
    given = {**network, "logLevel": "debug", "idleUnloadSeconds": 5}
    expected = Settings(
        adapter="./mine", engine="remote", remote_url="http://a.b", threads=3, offline=True, log_level="debug", idle_unload_seconds=5
    )
    assert parse_settings(given) == (expected, [])
    assert {camel_case(field.name) for field in fields(Settings)} == set(given)


def test_what_is_not_set_stays_as_it_was() -> None:
    base = Settings(adapter="mine", threads=2)
    assert parse_settings({"threads": 4}, base) == (Settings(adapter="mine", threads=4), [])


@pytest.mark.parametrize("data", [None, {}, {"adapter": None, "threads": None, "logLevel": None}])
def test_null_means_not_set(data: Any) -> None:
    base = Settings(adapter="mine", threads=2, log_level="error")
    assert parse_settings(data, base) == (base, [])


def test_without_a_base_the_defaults_stand() -> None:
    assert parse_settings(None) == (Settings(), [])


@pytest.mark.parametrize("data", [[], "golden", 3, True, ["adapter"]])
def test_what_is_no_object_is_ignored_and_reported(data: Any) -> None:
    base = Settings(threads=2)
    assert parse_settings(data, base) == (base, [f"The promptopt settings should be an object, not {data!r}; they are ignored."])


@pytest.mark.parametrize("key", ["log_level", "Adapter", "", "model"])
def test_an_unknown_key_is_reported_with_the_known_ones(key: str) -> None:
    settings, problems = parse_settings({key: "debug", "threads": 1})
    assert settings == Settings(threads=1)
    assert problems == [
        f"promptopt.{key} is no setting; known are adapter, engine, idleUnloadSeconds, logLevel, offline, remoteUrl, threads."
    ]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("adapter", 3, "promptopt.adapter should be of type str, not 3; 'base' is used."),
        ("adapter", ["a"], "promptopt.adapter should be of type str, not ['a']; 'base' is used."),
        ("adapter", " ", "promptopt.adapter should be a name or a folder, not ' '; 'base' is used."),
        ("adapter", "", "promptopt.adapter should be a name or a folder, not ''; 'base' is used."),
        ("engine", "gpu", "promptopt.engine should be one of auto, compiled, reference, remote, not 'gpu'; 'auto' is used."),
        ("remoteUrl", "here", "promptopt.remoteUrl should be like http://prompts.example.org:8000, not 'here'; '' is used."),
        ("remoteUrl", 8000, "promptopt.remoteUrl should be of type str, not 8000; '' is used."),
        ("threads", "3", "promptopt.threads should be of type int, not '3'; 7 is used."),
        ("threads", 1.5, "promptopt.threads should be of type int, not 1.5; 7 is used."),
        ("threads", True, "promptopt.threads should be of type int, not True; 7 is used."),
        ("threads", False, "promptopt.threads should be of type int, not False; 7 is used."),
        ("threads", -1, "promptopt.threads should be between 0 and 256, not -1; 7 is used."),
        ("threads", 257, "promptopt.threads should be between 0 and 256, not 257; 7 is used."),
        ("offline", "yes", "promptopt.offline should be of type bool, not 'yes'; False is used."),
        ("offline", 1, "promptopt.offline should be of type bool, not 1; False is used."),
        ("idleUnloadSeconds", -1, "promptopt.idleUnloadSeconds should be between 0 and 604800, not -1; 600 is used."),
        ("logLevel", "loud", "promptopt.logLevel should be one of error, warning, info, debug, not 'loud'; 'info' is used."),
        ("logLevel", 10, "promptopt.logLevel should be of type str, not 10; 'info' is used."),
    ],
)
def test_a_wrong_value_is_reported_and_left_as_it_was(key: str, value: Any, problem: str) -> None:
    base = Settings(adapter="base", threads=7, log_level="info")
    assert parse_settings({key: value}, base) == (base, [problem])


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("http://prompts.example.org", True),
        ("https://prompts.example.org/team/", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        *(
            (bad, False)
            for bad in ("", "prompts.example.org", "localhost:8000", "ftp://a.b", "file:///etc/passwd", "http://", "http://:80")
        ),
        *((f"http://{bad}", False) for bad in ("name:secret@a.b", "a.b?x=1", "a.b#x", "a b", "a.b:x", "a.b:0", "a.b:65536", "[::1", "ä.b")),
        *((f"http://a.b/{bad}", False) for bad in ("\r\nX: y", "\t", "ä")),
    ],
)
def test_the_address_of_a_server(url: str, good: bool) -> None:
    assert is_server_url(url) is good


@pytest.mark.parametrize("threads", [0, 1, 256])
def test_the_ends_of_the_range_are_allowed(threads: int) -> None:
    assert parse_settings({"threads": threads}) == (Settings(threads=threads), [])


def test_one_wrong_value_does_not_keep_the_others_from_being_read() -> None:
    settings, problems = parse_settings({"threads": -1, "adapter": "mine", "nope": 1, "logLevel": "error"})
    assert settings == Settings(adapter="mine", log_level="error")
    assert [problem.split()[0] for problem in problems] == ["promptopt.threads", "promptopt.nope"]
