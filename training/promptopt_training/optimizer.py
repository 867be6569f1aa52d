"""The optimizer of a base's pre-training: Muon for the matrices inside the network, AdamW for everything else."""

from collections.abc import Callable
from typing import Any

import torch

_EMBEDDINGS = ("shared", "embed_tokens", "lm_head", "relative_attention_bias")


class MuonWithAdamW(torch.optim.Optimizer):
    """Two of torch's optimizers behind one face, because the training loop takes one.

    With AdamW alone a small encoder-decoder trained from scratch on long targets falls silent: its encoder becomes a constant and the
    decoder a language model (training/LOG.md).
    """

    def __init__(self, model: torch.nn.Module, learning_rate: float, weight_decay: float) -> None:
        matrices: list[torch.nn.Parameter] = []
        rest: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            inner = parameter.ndim == 2 and not any(part in name for part in _EMBEDDINGS)
            (matrices if inner else rest).append(parameter)
        muon = torch.optim.Muon(matrices, lr=learning_rate, momentum=0.95, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        adamw = torch.optim.AdamW(rest, lr=learning_rate, weight_decay=weight_decay)
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self._parts = (muon, adamw)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of both; the training loop passes no closure."""
        for part in self._parts:
            part.step()  # type: ignore[no-untyped-call]

    def state_dict(self) -> dict[str, Any]:
        """The state of both, for a checkpoint."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the state of a checkpoint; both keep sharing their groups with this face."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]
