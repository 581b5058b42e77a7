"""Image classification in the manner of PoolFormer: pooling in the place of attention.

poolbench capture examples/models/poolformer.py:PoolFormer --input 2x3x64x64
"""

import torch
from torch import nn


class Mixer(nn.Module):
    """Each place becomes the mean around it, less itself."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the difference."""
        return self.pool(x) - x


class Block(nn.Module):
    """Mixes places, then channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)])
        self.mixer = Mixer()
        self.mlp = nn.Sequential(nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with both added."""
        x = x + self.mixer(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class PoolFormer(nn.Module):
    """Two stages of two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.embed1 = nn.Conv2d(3, 16, 7, 4, 2)
        self.stage1 = nn.Sequential(Block(16), Block(16))
        self.embed2 = nn.Conv2d(16, 32, 3, 2, 1)
        self.stage2 = nn.Sequential(Block(32), Block(32))
        self.head = nn.Linear(32, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return a score for each class."""
        x = self.stage2(self.embed2(self.stage1(self.embed1(images))))
        return self.head(x.mean([-2, -1]))
