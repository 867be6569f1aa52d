"""What the VS Code client declares is what the server has."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from promptopt import __version__
from promptopt.lsp.server import COMMANDS
from promptopt.settings import ENGINES, LOG_LEVELS, LONGEST_IDLE, Settings, camel_case

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "client-vscode"
PACKAGE: dict[str, Any] = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
PROPERTIES: dict[str, dict[str, Any]] = PACKAGE["contributes"]["configuration"]["properties"]
CLIENT_ONLY = {"preview", "history.store", "server.path", "server.package"}
LONGEST = 400
LARGEST_PICTURE = 150_000
JSON_TYPES = {str: "string", int: "integer", bool: "boolean"}


def sentences() -> dict[str, str]:
    source = (ROOT / "server/promptopt/settings.py").read_text(encoding="utf-8")
    return {camel_case(name): text for name, text in re.findall(r'^    (\w+): .*\n    "(.+)"$', source, re.MULTILINE)}


def test_the_client_declares_every_setting_with_its_type_default_and_sentence() -> None:
    expected = {
        camel_case(field.name): (JSON_TYPES[type(field.default)], field.default, sentences()[camel_case(field.name)])
        for field in fields(Settings)
    }
    declared = {
        key.removeprefix("promptopt."): (value["type"], value["default"], value["description"])
        for key, value in PROPERTIES.items()
        if key.removeprefix("promptopt.") not in CLIENT_ONLY
    }
    assert declared == expected


def test_the_client_allows_what_the_server_allows() -> None:
    assert PROPERTIES["promptopt.engine"]["enum"] == list(ENGINES)
    assert PROPERTIES["promptopt.logLevel"]["enum"] == list(LOG_LEVELS)
    assert PROPERTIES["promptopt.idleUnloadSeconds"]["maximum"] == LONGEST_IDLE


def test_no_workspace_says_where_prompts_and_the_token_go() -> None:
    assert PROPERTIES["promptopt.remoteUrl"]["scope"] == "machine"


def test_prompts_are_stored_only_where_the_user_of_the_machine_turns_that_on() -> None:
    setting = PROPERTIES["promptopt.history.store"]
    assert (setting["default"], setting["scope"]) == (False, "machine")


def test_the_client_sends_the_server_its_settings_and_no_others() -> None:
    source = (CLIENT / "src/settings.ts").read_text(encoding="utf-8")
    listed = re.search(r"SERVER_SETTINGS = \[(.+?)\]", source, re.DOTALL)
    assert listed
    assert re.findall(r'"(\w+)"', listed.group(1)) == [camel_case(field.name) for field in fields(Settings)]


def test_no_command_of_the_client_has_the_name_of_one_of_the_server() -> None:
    """The client library registers the server's commands in VS Code, and a name can be registered once."""
    own = {command["command"] for command in PACKAGE["contributes"]["commands"]}
    assert own
    assert not own & {*COMMANDS, "promptopt.preview"}


def test_every_declared_command_is_registered() -> None:
    source = (CLIENT / "src/commands.ts").read_text(encoding="utf-8")
    registered = set(re.findall(r'^    "(promptopt\.\w+)":', source, re.MULTILINE))
    assert registered == {command["command"] for command in PACKAGE["contributes"]["commands"]}


def test_a_workspace_that_is_not_trusted_chooses_no_program_and_no_adapter() -> None:
    restricted = PACKAGE["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert {"promptopt.server.path", "promptopt.server.package", "promptopt.adapter"} <= set(restricted) <= set(PROPERTIES)


def test_server_and_client_have_one_version() -> None:
    assert PACKAGE["version"] == __version__


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["packages"]["node_modules/vscode-languageclient"]["integrity"].startswith("sha512-")
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


def test_every_npm_dependency_is_pinned() -> None:
    pinned = {**PACKAGE["dependencies"], **PACKAGE["devDependencies"]}
    assert not [name for name, version in pinned.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)]


def test_no_source_of_the_client_is_long() -> None:
    sources = [*CLIENT.glob("src/**/*.ts"), *CLIENT.glob("test/**/*.ts")]
    assert sources
    assert not [path.name for path in sources if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST]


def test_the_client_s_readme_links_nothing_outside_the_package_but_its_pictures() -> None:
    """The packager refuses relative links: it has no address to resolve them with. The build leaves these lines out."""
    readme = (CLIENT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"^!\[.+\]\((media/\w+\.png)\)\n\n", readme, re.MULTILINE)
    assert pictures
    assert [link for link in re.findall(r"\]\(([^)#]+)", readme) if "://" not in link] == pictures


def test_the_pictures_are_there_and_small() -> None:
    texts = [CLIENT / "README.md", *CLIENT.glob("media/*.md")]
    shown = {text.parent / link for text in texts for link in re.findall(r"!\[.+\]\((.+)\)", text.read_text(encoding="utf-8"))}
    assert shown == {*CLIENT.glob("media/*.png")} - {CLIENT / "media/icon.png"}
    assert not [picture.name for picture in shown if picture.stat().st_size > LARGEST_PICTURE]
