"""Text classification in the manner of TextCNN: a maximum over all places, for each width of the filters.

poolbench capture examples/models/textcnn.py:TextCNN --input 2x64:int64
"""

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (3, 4, 5)


class TextCNN(nn.Module):
    """Takes indices of words."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.filters = nn.ModuleList(nn.Conv1d(16, 8, width) for width in WIDTHS)
        self.fc = nn.Linear(8 * len(WIDTHS), 2)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return a score for each class."""
        x = self.embedding(words).transpose(1, 2)
        found = [torch.relu(layer(x)) for layer in self.filters]
        return self.fc(torch.cat([functional.max_pool1d(each, each.size(2)).squeeze(2) for each in found], 1))
