"""Segmentation in the manner of U-Net: maxima on the way down.

poolbench capture examples/models/unet.py:UNet --input 1x1x32x32 --pass training
"""

import torch
from torch import nn
from torch.nn import functional


def twice(channels: int, width: int) -> nn.Sequential:
    """Return two convolutions."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    )


class UNet(nn.Module):
    """Two levels and what lies below them."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = twice(1, 8), twice(8, 16), twice(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.up1 = twice(48, 16), twice(24, 8)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return a score for each class and pixel."""
        first = self.down1(images)
        second = self.down2(self.pool(first))
        x = self.bottom(self.pool(second))
        x = self.up2(torch.cat([second, functional.interpolate(x, scale_factor=2)], 1))
        return self.last(self.up1(torch.cat([first, functional.interpolate(x, scale_factor=2)], 1)))
