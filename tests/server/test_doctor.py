"""What the doctor finds, and what it says to do."""

import json
from pathlib import Path
from typing import NoReturn

import pytest
from fakes import FakeEngine, fake_model, manifest, mini_codec

from promptopt import __version__, doctor
from promptopt.cli import main
from promptopt.codec import END
from promptopt.doctor import Finding, as_json, as_text, examine
from promptopt.engine.loader import Model
from promptopt.errors import BundleError
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

NAMES = ["promptopt", "packages", "adapter", "base", "engine", "rewrite", "threads", "memory", "cache", "Hub"]


def found(tmp_path: Path, settings: Settings | None = None, optimizer: Optimizer | None = None, reason: str = "") -> dict[str, Finding]:
    settings = settings or Settings()
    findings = examine(settings, optimizer or Optimizer(settings, lambda _: fake_model()), lambda: reason, tmp_path)
    return {finding.name: finding for finding in findings}


def test_a_healthy_machine_has_nothing_to_look_at(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "x").write_bytes(bytes(2_500_000))
    findings = found(tmp_path)
    assert list(findings) == NAMES
    assert [finding.problem for finding in findings.values() if finding.name != "cache"] == [""] * 9
    assert findings["promptopt"].value.startswith(f"{__version__}, Python 3.")
    assert "numpy " in findings["packages"].value
    assert findings["adapter"].value.startswith("golden (built in), ")
    assert findings["base"].value.startswith("promptopt-mini (built in), ")
    assert findings["engine"].value == "fake"
    assert " pieces, confidence 0.48" in findings["rewrite"].value
    assert findings["cache"].value.startswith(f"{tmp_path}, 2.5 MB, ")
    assert findings["Hub"].value == "reachable"


def test_a_missing_adapter_is_named_with_the_next_step(tmp_path: Path) -> None:
    findings = found(tmp_path, Settings(adapter="nope"))
    assert "base" not in findings
    assert findings["adapter"] == Finding(
        "adapter", "nope", "There is no adapter 'nope'.", "Give a folder, owner/name on the Hub, or one of: concise, golden, markdown, xml."
    )


def test_a_model_that_does_not_load_is_named(tmp_path: Path) -> None:
    def fail(settings: Settings) -> NoReturn:
        raise BundleError("It is damaged.", "Mend it.")

    findings = found(tmp_path, optimizer=Optimizer(Settings(), fail))
    assert findings["engine"] == Finding("engine", "not loaded", "It is damaged.", "Mend it.")
    assert "rewrite" not in findings


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Settings] = []

    def remembered(settings: Settings) -> Optimizer:
        made.append(settings)
        return Optimizer(settings, lambda _: fake_model())

    monkeypatch.setattr(doctor, "Optimizer", remembered)
    findings = examine(Settings(adapter="a/b", threads=3), reach=lambda: "", cache=tmp_path)
    assert made == [Settings(adapter="a/b", threads=3, offline=True)]
    assert findings[2].problem == "a/b is not in the cache, and offline mode is on."


def test_a_rewrite_that_fails_is_named(tmp_path: Path) -> None:
    codec = mini_codec()
    broken = Optimizer(Settings(), lambda _: Model(manifest(), codec, FakeEngine(codec, ids=[*codec.plain("Act."), END])))
    finding = found(tmp_path, optimizer=broken)["rewrite"]
    assert finding.problem == "The network wrote 0 pointers to the prompt instead of one."
    assert finding.hint == "One prompt in some fails; if all do, name another adapter."


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    finding = found(tmp_path, reason="Connection refused")["Hub"]
    assert (finding.value, finding.problem) == ("cannot be reached", "Connection refused")
    assert finding.hint == "Check the network and HF_ENDPOINT. What is on this machine works all the same."


@pytest.mark.parametrize("variable", [False, True])
def test_offline_the_hub_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: bool) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if variable else "0")
    finding = found(tmp_path, Settings(offline=not variable), reason="it was asked")["Hub"]
    assert finding == Finding("Hub", "offline mode is on; no socket is opened")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    finding = found(tmp_path / "not" / "there")["cache"]
    assert (finding.problem, finding.hint.split(";")[0]) == ("It cannot be written.", f"Make {tmp_path} writable")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE", 1 << 60)
    assert found(tmp_path)["cache"].problem == "The disk is nearly full."


FINDINGS = [Finding("engine", "fake"), Finding("Hub", "cannot be reached", "No route.", "Check the network.")]


def test_the_findings_as_text() -> None:
    text = "  engine  fake\n! Hub     cannot be reached\n          No route.\n          Check the network.\n\n"
    assert as_text(FINDINGS) == text + "1 to look at, marked with !"
    assert as_text(FINDINGS[:1]) == "  engine  fake\n\nNothing is wrong."


def test_the_findings_as_json() -> None:
    assert as_json(FINDINGS[:1]) == {"ok": True, "findings": [{"name": "engine", "value": "fake", "problem": "", "hint": ""}]}
    assert as_json(FINDINGS)["ok"] is False


@pytest.mark.parametrize(("findings", "status"), [(FINDINGS, 1), (FINDINGS[:1], 0)])
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], findings: list[Finding], status: int) -> None:
    asked: list[Settings] = []

    def fake(settings: Settings) -> list[Finding]:
        asked.append(settings)
        return findings

    monkeypatch.setattr(doctor, "examine", fake)
    assert main(["doctor", "--json", "--adapter", "a/b", "--offline"]) == status
    assert json.loads(capsys.readouterr().out) == as_json(findings)
    assert main(["doctor"]) == status
    assert capsys.readouterr().out == as_text(findings) + "\n"
    assert asked == [Settings(adapter="a/b", offline=True), Settings()]
