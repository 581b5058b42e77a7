"""Detection: the neck SPPF of YOLOv5, three maxima of stride 1 one after the other, joined.

In training the last one gets its gradient as a slice of the joined one's.

poolbench capture examples/models/sppf.py:SPPF --input 2x32x20x20 --pass training
"""

import torch
from torch import nn


class SPPF(nn.Module):
    """Takes features of 32 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(32, 16, 1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.behind = nn.Conv2d(64, 32, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features that have seen their surroundings."""
        x = self.before(features)
        first = self.pool(x)
        second = self.pool(first)
        return self.behind(torch.cat([x, first, second, self.pool(second)], 1))
