"""Model cards: what a trained thing is, what it was trained on, and what it is no good for."""

from collections.abc import Sequence
from pathlib import Path

from promptopt.bundle import Manifest

_ADAPTER_CARD = """\
---
library_name: peft
base_model: {base}
tags: [promptopt, prompt-optimizer, lora]
---

# {style}: a promptopt adapter

A LoRA adapter (rank {rank}, alpha {alpha}, on {modules}) for the frozen base `{base}`. It rewrites a prompt into the form `{style}`.

- Trained on {pairs} pairs; the file's SHA-256 is `{data}`.
- Validation loss {loss} nats per piece, after {steps} steps; the best of {epochs} epochs is kept.
- Use it with `promptopt optimize --adapter_path FOLDER --prompt "create function"`.

What it writes about a prompt is learned from those pairs. It has no knowledge of the world, and it cannot tell whether a
request is sensible.
"""


def write_adapter_card(folder: Path, manifest: Manifest, base: str, rank: int, alpha: int, modules: Sequence[str], pairs: int) -> None:
    """Writes the README.md of an adapter folder."""
    text = _ADAPTER_CARD.format(
        base=base,
        style=manifest.style,
        rank=rank,
        alpha=alpha,
        modules=" and ".join(filter(None, [", ".join(modules[:-1]), modules[-1]])),
        pairs=pairs,
        data=manifest.data_sha256,
        loss=manifest.metrics["validation_loss"],
        steps=int(manifest.metrics["steps"]),
        epochs=int(manifest.metrics["epochs"]),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
