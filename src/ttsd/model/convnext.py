"""The block that decoders and refiners at frame rate are made of."""

import torch
from torch import Tensor, nn

KERNEL_SIZE = 7
_EXPANSION = 3


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution, then two layers per frame, beside a shortcut.

    Source: Liu et al., 2022, "A ConvNet for the 2020s".

    Args:
        channels: Width.
        scale: What the block's own part is multiplied by at first.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, KERNEL_SIZE, padding=KERNEL_SIZE // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, _EXPANSION * channels)
        self.project = nn.Linear(_EXPANSION * channels, channels)
        self.scale: nn.Parameter | None = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return float [B, channels, n_frames] for the same shape."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.project(nn.functional.gelu(self.expand(y)))
        if self.scale is not None:
            y = self.scale * y
        residual: Tensor = y.transpose(1, 2)
        return x + residual

    @torch.no_grad()
    def fold_scale(self) -> None:
        """Multiply the scale into the last layer, for a block that does not learn any more: a step less to speak."""
        if self.scale is not None:
            self.project.weight.mul_(self.scale.unsqueeze(1))
            self.project.bias.mul_(self.scale)
            self.scale = None
