"""From a base on the Hub to a rewrite in an editor: trained, published, pulled, used, and used again without a network."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conversation import applied, chosen, conversation, offered, opened, range_of
from hub.local_hub import LocalHub
from pytest_lsp import client_capabilities
from socket_guard import GUARD, environment
from tiny_t5 import flan_base, overfitted

from promptopt import cli
from promptopt.bundle import Manifest
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings
from promptopt_training import cli as training
from promptopt_training.data import golden_pairs
from promptopt_training.records import Pair, write_pairs

BASE, ADAPTER = "owner/t5", "owner/mine"
PATIENCE = 300.0


async def in_an_editor(pair: Pair) -> str:
    """A document with the prompt in a paragraph of its own, after the code action."""
    text = f"first\n\n{pair.prompt}\n\nlast\n"
    passed = {name: os.environ[name] for name in ("HF_ENDPOINT", "HF_HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-m", "promptopt.lsp.cli", "--stdio"]
    async with conversation(client_capabilities("neovim"), {"adapter": ADAPTER}, command, **passed) as editor:
        uri = opened(editor, text)
        action = (await offered(editor, uri, range_of(text, pair.prompt, editor.encoding)))[0]
        return applied(text, await asyncio.wait_for(chosen(editor, action), PATIENCE), editor.encoding)


@pytest.mark.model
@pytest.mark.timeout(900)
async def test_an_adapter_goes_from_training_through_the_hub_to_an_editor_and_stays_there_offline(
    tmp_path: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = golden_pairs(24, seed=0)
    known = min((pair for pair in pairs if pair.prompt != pair.rewrite), key=lambda pair: len(pair.rewrite))
    base = flan_base(tmp_path / "base", pairs, 800)
    overfitted(base, [known])  # so that a right rewrite can be told from a wrong one
    commit = local_hub.add(BASE, {path.name: path.read_bytes() for path in base.iterdir()})

    write_pairs(pairs, tmp_path / "pairs.json")
    options = ["--data_path", str(tmp_path / "pairs.json"), "--output_dir", str(tmp_path / "out")]
    assert training.main(["lora", "--base", BASE, "--num_epochs", "1", "--learning_rate", "1e-6", *options]) == 0
    folder = tmp_path / "out" / "final_adapter"
    assert Manifest.read(folder).base == f"{BASE}@{commit}"

    monkeypatch.setenv("HF_TOKEN", "token")
    assert training.main(["publish", ADAPTER, "--adapter_path", str(folder)]) == 0
    published = local_hub.find(ADAPTER, "main")
    assert published is not None
    assert published.files["adapter_model.safetensors"] == (folder / "adapter_model.safetensors").read_bytes()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresh"))
    capsys.readouterr()
    assert cli.main(["adapters", "pull", ADAPTER]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'fresh' / 'promptopt' / 'hub' / ADAPTER / published.commit}\n"

    assert Optimizer(Settings(adapter=ADAPTER)).optimize(known.prompt).text == known.rewrite
    assert await in_an_editor(known) == f"first\n\n{known.rewrite}\n\nlast\n"

    guarded = {**environment(tmp_path, GUARD), "XDG_CACHE_HOME": str(tmp_path / "fresh")}
    command = [sys.executable, "-m", "promptopt", "optimize", "--offline", "--adapter", ADAPTER, known.prompt]
    done = subprocess.run(command, env=guarded, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{known.rewrite}\n", "")
