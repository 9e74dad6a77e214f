"""The prototype extractor and projector of SQ-LLaVA (Sun et al., ECCV 2024, arXiv 2403.11299, section 3.2).

Image tokens are grouped around a few prototypes by two rounds of soft clustering; every token is then assigned to
its nearest prototype and gets that prototype's aggregated feature added before it is projected to the language
model's width.

Letters in the names of shapes: B images, L tokens of an image, N prototypes, D width of the tokens, H width of the
language model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class QuickGELU(nn.Module):
    """``t * sigmoid(1.702 t)``, the activation of the original CLIP."""

    def forward(self, t: Tensor) -> Tensor:
        return t * torch.sigmoid(1.702 * t)


def _pool(x_BLD: Tensor, count: int) -> Tensor:
    """Adaptive average pool over tokens, B×L×D -> B×count×D; `count` may exceed L."""
    return F.adaptive_avg_pool1d(x_BLD.transpose(1, 2), count).transpose(1, 2)


class PrototypeProjector(nn.Module):
    """Image tokens in, language-model embeddings out: B×L×`in_features` -> B×L×`out_features`.

    Parameter names are those of the released checkpoints (below ``mm_projector.``). `ln_1` is stored there and never
    applied; it is kept so that checkpoints load and save unchanged.

    Where the release broadcasts to N×L×D, this uses matrix products: the same numbers, and the largest intermediate
    is N×L or L×D. Pooling, similarities, assignments and aggregation are computed in float32 whatever the input's
    dtype, under autocast too, so that a token's choice of prototype does not hinge on bfloat16 ties.
    """

    def __init__(self, in_features: int, out_features: int, num_prototypes: int = 256, num_iterations: int = 2) -> None:
        super().__init__()
        if num_prototypes < 1 or num_iterations < 0:
            raise ValueError("num_prototypes must be at least 1 and num_iterations at least 0")
        self.num_prototypes = num_prototypes
        self.num_iterations = num_iterations
        self.sim_alpha = nn.Parameter(torch.ones(1, 1, 1))
        self.sim_beta = nn.Parameter(torch.zeros(1, 1, 1))
        self.c = nn.Linear(in_features, in_features)
        self.v = nn.Linear(in_features, in_features)
        self.f = nn.Linear(in_features, in_features)
        self.ln_1 = nn.LayerNorm(in_features)
        self.mlp = nn.Sequential(
            nn.Linear(in_features, out_features), QuickGELU(), nn.Linear(out_features, out_features)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: B×L×D -> B×L×H."""
        f_BLD = self.f(x).float()
        v_BDL = self.v(x).float().transpose(1, 2)
        # The release normalises V transposed along its last axis, which is the *token* axis and not the feature
        # axis. It looks like an oversight, but the released weights were trained with it, so it stays.
        keys_BDL = F.normalize(v_BDL, dim=-1)
        with torch.autocast(x.device.type, enabled=False):
            centres_BND = _pool(x.float(), self.num_prototypes)
        for _ in range(self.num_iterations):
            centres_BND = self._refine(self.c(centres_BND.to(x.dtype)), keys_BDL, f_BLD)
        z_BLD = x + self._dispatch(centres_BND, x, f_BLD).to(x.dtype)
        projected: Tensor = self.mlp(z_BLD)
        return projected

    def _refine(self, centres_BND: Tensor, keys_BDL: Tensor, f_BLD: Tensor) -> Tensor:
        """One round of soft clustering: each token spreads its feature over the prototypes, weights summing to 1."""
        with torch.autocast(f_BLD.device.type, enabled=False):
            similarity_BNL = F.normalize(centres_BND.float(), dim=-1) @ keys_BDL
            return similarity_BNL.softmax(dim=1) @ f_BLD

    def _dispatch(self, centres_BND: Tensor, x_BLD: Tensor, f_BLD: Tensor) -> Tensor:
        """What each token gets back: its own prototype's aggregated feature, weighted by their similarity; B×L×D."""
        with torch.autocast(f_BLD.device.type, enabled=False):
            x_BLD = x_BLD.float()
            cosine_BNL = F.normalize(centres_BND, dim=-1) @ F.normalize(x_BLD, dim=-1).transpose(1, 2)
            weight_BNL = torch.sigmoid(self.sim_beta.float() + self.sim_alpha.float() * cosine_BNL)
            nearest_B1L = weight_BNL.argmax(dim=1, keepdim=True)
            kept_BNL = torch.zeros_like(weight_BNL).scatter_(1, nearest_B1L, 1.0)
            weight_BNL = weight_BNL * kept_BNL
            pooled_BND = _pool(f_BLD, self.num_prototypes)
            members_BN1 = kept_BNL.sum(dim=2, keepdim=True)
            prototypes_BND = (weight_BNL @ f_BLD + pooled_BND) / (members_BN1 + 1)
            return weight_BNL.transpose(1, 2) @ prototypes_BND
