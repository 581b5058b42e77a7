"""Speech in the manner of M5: raw waves, maxima of four, and a mean of what is left.

poolbench capture examples/models/m5.py:M5 --input 2x1x8000
"""

import torch
from torch import nn
from torch.nn import functional


class M5(nn.Module):
    """Takes waves of 8,000 samples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.pool1 = nn.Conv1d(1, 8, 80, 16), nn.MaxPool1d(4)
        self.conv2, self.pool2 = nn.Conv1d(8, 8, 3), nn.MaxPool1d(4)
        self.conv3, self.pool3 = nn.Conv1d(8, 16, 3), nn.MaxPool1d(4)
        self.conv4, self.pool4 = nn.Conv1d(16, 16, 3), nn.MaxPool1d(4)
        self.fc = nn.Linear(16, 10)

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Return a score for each word."""
        x = self.pool1(torch.relu(self.conv1(waves)))
        x = self.pool2(torch.relu(self.conv2(x)))
        x = self.pool3(torch.relu(self.conv3(x)))
        x = self.pool4(torch.relu(self.conv4(x)))
        return self.fc(functional.avg_pool1d(x, x.shape[-1]).flatten(1))
