"""The rooms of the house and what each may import; the table of ARCHITECTURE.md, enforced."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "server" / "promptopt"
TRAINING = ROOT / "training" / "promptopt_training"
ROOMS = [
    {"errors", "form", "units"},
    {"settings"},
    {"frames"},
    {"vocabulary", "files"},
    {"codec", "credentials"},
    {"bundle"},
    {"adapters"},
    {"engine"},
    {"optimizer"},
    {"doctor"},
    {"batch", "lsp", "http", "mcp"},
    {"cluster"},
    {"commands"},
    {"cli"},
]
OPEN_TO_TRAINING = {"errors", "form", "settings", "units", "vocabulary", "codec", "bundle", "adapters", "engine", "optimizer", "files"}
HEAVY = {"torch", "transformers", "peft", "matplotlib"}
RIVALS = {"ctranslate2", "onnxruntime"}
LONGEST = 400


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def level(name: str) -> int:
    return next(number for number, names in enumerate(ROOMS) if name in names)


@pytest.mark.parametrize("path", sources(SERVER), ids=lambda path: str(path.relative_to(SERVER)))
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    own = path.relative_to(SERVER).parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    for module in imports(path):
        other = room(module)
        if module.split(".")[0] == "promptopt" and other and other != own:
            assert level(other) < level(own), f"{own} must not import {other}"


@pytest.mark.parametrize("path", sources(SERVER), ids=lambda path: str(path.relative_to(SERVER)))
def test_the_server_never_imports_the_training_package(path: Path) -> None:
    assert not [module for module in imports(path) if module.split(".")[0] == "promptopt_training"]


@pytest.mark.parametrize("path", sources(TRAINING), ids=lambda path: str(path.relative_to(TRAINING)))
def test_training_imports_only_what_the_server_opens_to_it(path: Path) -> None:
    used = {room(module) for module in imports(path) if module.split(".")[0] == "promptopt"}
    assert used - {""} <= OPEN_TO_TRAINING


@pytest.mark.parametrize("path", sources(SERVER), ids=lambda path: str(path.relative_to(SERVER)))
def test_heavy_libraries_are_imported_in_engines_only(path: Path) -> None:
    top = {module.split(".")[0] for module in imports(path)}
    if path.relative_to(SERVER).parts[0] != "engine":
        assert not top & HEAVY


@pytest.mark.parametrize("path", [*sources(SERVER), *sources(TRAINING)], ids=lambda path: path.name)
def test_other_engines_are_for_benchmarks_only(path: Path) -> None:
    assert not {module.split(".")[0] for module in imports(path)} & RIVALS


@pytest.mark.parametrize("path", sorted((SERVER / "engine" / "native").iterdir()), ids=lambda path: path.name)
def test_no_native_file_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [*sources(SERVER), *sources(TRAINING)], ids=lambda path: path.name)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize(
    "module",
    [
        *("promptopt.lsp.server", "promptopt.cli", "promptopt.lsp.cli", "promptopt.optimizer", "promptopt_training.cli"),
        *("promptopt.http.run", "promptopt.mcp"),
    ],
)
def test_importing_a_surface_imports_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def literals(path: Path) -> Iterator[str]:
    """String literals of a file, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


HEADINGS = re.compile(r"\b(?:Act as|You are (?:a|an)\b|Context:|Task:|Constraints:|Steps:|Goal:|Persona:|## )")


@pytest.mark.parametrize("path", sources(SERVER), ids=lambda path: str(path.relative_to(SERVER)))
def test_no_template_stands_in_the_server(path: Path) -> None:
    """What is written comes from the network: neither a heading nor a template is a literal of the server."""
    assert not [text for text in literals(path) if HEADINGS.search(text)]


def test_the_search_for_templates_finds_one(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text('"""Task: a docstring."""\nFORM = f"Act as {1}.\\n\\nTask: {2}"\n', encoding="utf-8")
    assert [text for text in literals(planted) if HEADINGS.search(text)] == ["Act as ", ".\n\nTask: "]
