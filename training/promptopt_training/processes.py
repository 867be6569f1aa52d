"""Training in several processes: torchrun or accelerate launch start them, each with its number in the environment."""

import os

from promptopt.errors import InvalidInput


def is_first() -> bool:
    """Whether this process is the one that writes files and tells the user; a process of its own is."""
    return os.environ.get("RANK", "0") == "0"


def alone(command: str) -> None:
    """Raises InvalidInput where several processes were started for a command that can use one only."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InvalidInput(f"{command} runs in one process.", "Start it without torchrun or accelerate launch; lora runs in several.")
