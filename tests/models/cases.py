"""The models of the two tables: every example for PyTorch, and two of the package transformers."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples" / "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model and its input. ``pass_`` is what its advice is for, and ``budget_s`` how long that may take.

    ``is_large`` says that it is of the package transformers, and that loading it takes seconds.
    """

    target: str
    shape: str
    pass_: str = "forward"
    budget_s: float = 20.0
    is_large: bool = False

    @property
    def name(self) -> str:
        return self.target.rpartition("/")[2]


CASES = (
    Case(target=f"{EXAMPLES}/vgg.py:VGG", shape="1x3x224x224"),
    Case(target=f"{EXAMPLES}/resnet.py:ResNet", shape="2x3x64x64", pass_="training"),
    Case(target=f"{EXAMPLES}/poolformer.py:PoolFormer", shape="2x3x64x64"),
    Case(target=f"{EXAMPLES}/unet.py:UNet", shape="1x1x32x32", pass_="training"),
    Case(target=f"{EXAMPLES}/sppf.py:SPPF", shape="2x32x20x20", pass_="training"),
    Case(target=f"{EXAMPLES}/textcnn.py:TextCNN", shape="2x64:int64"),
    Case(target=f"{EXAMPLES}/m5.py:M5", shape="2x1x8000"),
    Case(target=f"{EXAMPLES}/c3d.py:C3D", shape="1x3x16x64x64", pass_="training", budget_s=60.0),
    Case(target="tests.models.hub:resnet", shape="1x3x224x224", budget_s=60.0, is_large=True),
    Case(target="tests.models.hub:poolformer", shape="1x3x224x224", budget_s=60.0, is_large=True),
)


def chosen(names: list[str]) -> list[Case]:
    """Return the cases whose names hold one of ``names``, all where there is none; large ones need transformers."""
    has_transformers = importlib.util.find_spec("transformers") is not None
    cases = [case for case in CASES if has_transformers or not case.is_large]
    return [case for case in cases if not names or any(name in case.target for name in names)]
