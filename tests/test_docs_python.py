"""What the page on the Python API says is so: its code runs, its table lists every call, and every call is typed."""

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from fakes import fake_model, fake_rewrite

import promptopt
from promptopt import Optimizer, Settings

PAGE = (Path(__file__).parent.parent / "docs/python.md").read_text(encoding="utf-8")
LISTED = re.findall(r"^\| `(?:await )?(\w+)\(", PAGE, re.MULTILINE)
OTHERS = {"load", "fetch"}


def test_its_code_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(promptopt, "Optimizer", lambda settings: Optimizer(settings, lambda _: fake_model()), raising=False)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert said.count(fake_rewrite("create function")) == 2
    assert "The prompt consists of white space only. Write or select what you want to ask" in said
    assert isinstance(names["optimizer"].settings, Settings)


def test_its_table_lists_every_call() -> None:
    public = {name for name, _ in inspect.getmembers(Optimizer, inspect.isfunction) if not name.startswith("_")}
    assert {*LISTED, *OTHERS} == public


@pytest.mark.parametrize("name", [*LISTED, *sorted(OTHERS)])
def test_every_call_is_typed_and_documented(name: str) -> None:
    call = getattr(Optimizer, name)
    parameters = set(inspect.signature(call).parameters) - {"self"}
    assert set(get_type_hints(call)) == {*parameters, "return"}
    assert inspect.getdoc(call)
