"""The optimizer of a base's pre-training: Muon for the matrices inside the network, AdamW for everything else."""

from collections.abc import Callable
from typing import Any

import torch

EMBEDDING_RATE = 2.0
"Embeddings have components of about 1, matrices of about 0.06; at the rate of the matrices they would hardly move."
_EMBEDDINGS = ("shared", "embed_tokens", "lm_head")


class MuonWithAdamW(torch.optim.Optimizer):
    """Two of torch's optimizers behind one face, because the training loop takes one.

    With AdamW alone a small encoder-decoder trained from scratch on long targets falls silent: its encoder becomes a constant and the
    decoder a language model (training/LOG.md).
    """

    def __init__(self, model: torch.nn.Module, learning_rate: float, weight_decay: float) -> None:
        matrices: list[torch.nn.Parameter] = []
        embeddings: list[torch.nn.Parameter] = []
        rest: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if parameter.ndim != 2 or "relative_attention_bias" in name:
                rest.append(parameter)
            else:
                (embeddings if any(part in name for part in _EMBEDDINGS) else matrices).append(parameter)
        muon = torch.optim.Muon(matrices, lr=learning_rate, momentum=0.95, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        groups = [{"params": embeddings, "lr": EMBEDDING_RATE * learning_rate, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.0}]
        adamw = torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, betas=(0.9, 0.95))
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
