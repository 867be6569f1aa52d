"""What the README says is what the code has."""

import json
import re
from dataclasses import fields
from pathlib import Path

from promptopt.settings import ServerSettings, Settings, camel_case

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_lists_every_setting_with_its_default_and_sentence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+?) \|$", README, re.MULTILINE)
    source = (ROOT / "server/promptopt/settings.py").read_text(encoding="utf-8")
    expected = []
    for field in fields(Settings):
        match = re.search(rf'^    {field.name}: .*\n    "(.+)"$', source, re.MULTILINE)
        assert match, f"{field.name} has no sentence below it"
        expected.append((camel_case(field.name), json.dumps(field.default), match.group(1)))
    assert rows == expected


def test_the_server_s_table_lists_every_option_with_its_default_and_sentence() -> None:
    rows = re.findall(r"^\| `--(\w+)` \| (.*?) \| (.+?) \|$", README, re.MULTILINE)
    assert rows == [(field.name, f"`{field.default}`" if field.default else "", field.metadata["help"]) for field in fields(ServerSettings)]


def test_ci_runs_the_readme_s_test_command() -> None:
    command = next(line for line in README.splitlines() if line.endswith("-m pytest"))
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_every_linked_file_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
