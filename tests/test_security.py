"""What no file of ours may do: open a pickle, run code that came as data, hand a line to a shell; and docs/security.md kept honest."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = sorted(path for name in ("server", "training") for path in (ROOT / name).rglob("*.py"))
NATIVE = sorted(path for path in (ROOT / "server").rglob("*.*") if path.suffix in (".cpp", ".h", ".inc"))
UNPICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}
RUNNING = {"eval", "exec", "compile", "__import__", "execfile"}
CALLS = {
    *("torch.load", "torch.save", "torch.hub.load", "torch.jit.load", "pandas.read_pickle", "pd.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "runpy.run_path", "runpy.run_module"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "pty.spawn"),
}
ARRAYS = {"numpy.load", "np.load"}
SHELLS = re.compile(r"\b(?:system|popen|dlopen|LoadLibrary\w*|exec[lv]p?e?)\s*\(")
SHOWN = re.compile(r"`(tests/[\w/]+\.py)`(?:: `(\w+)`)?")


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or of attributes of one; empty for anything else."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def is_true(node: ast.expr) -> bool:
    """Whether a value may be true: a constant that is not, is not."""
    return not (isinstance(node, ast.Constant) and not node.value)


def dangers(source: str) -> Iterator[str]:
    """Whatever in a Python file loads a pickle, runs data as code, or starts a shell."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in UNPICKLING)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            if str(node.module).split(".")[0] in UNPICKLING or names & (CALLS | ARRAYS):
                yield f"from {node.module} import {', '.join(alias.name for alias in node.names)}"
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in CALLS or name.removeprefix("builtins.") in RUNNING:
                yield name
            for keyword in node.keywords:
                if keyword.arg in ("shell", "trust_remote_code", "allow_pickle") and is_true(keyword.value):
                    yield f"{name}({keyword.arg})"
                if keyword.arg == "use_safetensors" and not is_true(keyword.value):
                    yield f"{name} without safetensors"
            given = {keyword.arg for keyword in node.keywords}
            if name in ARRAYS and "allow_pickle" not in given:
                yield f"{name} may open a pickle"
            if name.endswith(".from_pretrained") and "local_files_only" not in given:
                yield f"{name} may open a socket"
            if name.endswith(".from_pretrained") and "Peft" not in name and "use_safetensors" not in given:
                yield f"{name} may open a pickle"


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_is_opened_no_data_is_run_and_no_shell_is_started(path: Path) -> None:
    assert list(dangers(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("import pickle", ["import pickle"]),
        ("def f():\n    from cloudpickle import loads", ["from cloudpickle import loads"]),
        ("import os, dill as harmless", ["import dill"]),
        ("import torch\ntorch.load('x.pt')", ["torch.load"]),
        ("import numpy as np\nnp.load('x.npy')", ["np.load may open a pickle"]),
        ("import numpy as np\nnp.load('x.npy', allow_pickle=True)", ["np.load(allow_pickle)"]),
        ("import numpy as np\nnp.load('x.npy', allow_pickle=False)", []),
        ("from torch import load", ["from torch import load"]),
        ("model(trust_remote_code=True)", ["model(trust_remote_code)"]),
        ("model(trust_remote_code=given)", ["model(trust_remote_code)"]),
        ("eval('1')", ["eval"]),
        ("import builtins\nbuiltins.exec('1')", ["builtins.exec"]),
        ("__import__(name)", ["__import__"]),
        ("import subprocess\nsubprocess.run('ls', shell=True)", ["subprocess.run(shell)"]),
        ("import os\nos.system('ls')", ["os.system"]),
        ("import yaml\nyaml.load(text, yaml.Loader)", ["yaml.load"]),
        ("T5.from_pretrained(x, local_files_only=True)", ["T5.from_pretrained may open a pickle"]),
        ("T5.from_pretrained(x, use_safetensors=True)", ["T5.from_pretrained may open a socket"]),
        ("T5.from_pretrained(x, local_files_only=True, use_safetensors=False)", ["T5.from_pretrained without safetensors"]),
        ("import re\nre.compile('eval(')\nmodel.eval()\nrun(shell=False)", []),
    ],
)
def test_the_search_finds_what_is_planted(planted: str, found: list[str]) -> None:
    assert list(dangers(planted)) == found


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.name)
def test_the_native_engine_starts_nothing_and_loads_nothing(path: Path) -> None:
    assert SHELLS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("planted", ['std::system("ls");', 'popen("ls", "r")', 'dlopen("x.so", RTLD_NOW)', "execvp (name, list)"])
def test_the_search_of_native_code_finds_what_is_planted(planted: str) -> None:
    assert len(SHELLS.findall(planted)) == 1


@pytest.mark.parametrize("page", ["security.md", "reliability.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = SHOWN.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    missing = [
        (path, test)
        for path, test in named
        if not (ROOT / path).is_file() or (test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert missing == []
