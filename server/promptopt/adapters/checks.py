"""What promptopt does not open, wherever it comes from: pickles, and models that bring code of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptopt.adapters.names import Kind, pickled
from promptopt.bundle import read_json
from promptopt.errors import BundleError

_CONFIGURATIONS = ("config.json", "adapter_config.json", "tokenizer_config.json")
_CODE = ("auto_map", "trust_remote_code")


def refuse_code(folder: Path, name: str) -> None:
    """Raises BundleError when a configuration in `folder` asks for code of its own to be run."""
    for file in _CONFIGURATIONS:
        asked = _asked(read_json(folder / file)) if (folder / file).is_file() else ""
        if asked:
            raise BundleError(
                f"{name} asks for code of its own to be run ({asked} in {file}), which promptopt never does.",
                "Use a T5 and a LoRA adapter that need no code of their own.",
            )


def refuse_pickles(folder: Path, name: str, kind: Kind) -> None:
    """Raises BundleError when the weights in `folder` are pickles only."""
    pickles = pickled(kind.required, (path.name for path in folder.iterdir()))
    if pickles:
        raise BundleError(
            f"{name} has its weights as pickles only ({', '.join(pickles)}); opening them can run any code.",
            "Save them in the safetensors format: peft and transformers do so by default.",
        )


def _asked(configuration: Mapping[str, Any]) -> str:
    return next((key for key in _CODE if configuration.get(key)), "")
