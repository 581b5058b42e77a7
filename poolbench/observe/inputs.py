"""What a model is given: shapes and types, as a user writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from poolbench.errors import UsageError, unknown_name_message
from poolbench.model.pooling import Ints
from poolbench.model.workload import DType

DEFAULT_DTYPE = "float32"

_INPUT = re.compile(r"(?:(?P<name>[^=]+)=)?(?P<shape>\d+(?:x\d+)*)(?::(?P<dtype>\w+))?")
_DTYPES = {
    **{dtype.numpy_name: dtype.numpy_name for dtype in DType},
    **{dtype.value: dtype.numpy_name for dtype in DType},
}
DTYPES = {**_DTYPES, "bool": "bool"}
"""What a user may write behind the shape, and NumPy's name for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """An array that a model is given: its shape, NumPy's name of its type, and its name, "" for the next argument."""

    shape: Ints
    dtype: str = DEFAULT_DTYPE
    name: str = ""

    @property
    def is_float(self) -> bool:
        """Whether the values are numbers with fractions."""
        return "float" in self.dtype

    def __str__(self) -> str:
        name = f"{self.name}=" if self.name else ""
        dtype = "" if self.dtype == DEFAULT_DTYPE else f":{self.dtype}"
        return f"{name}{'x'.join(map(str, self.shape))}{dtype}"


def parse_input(text: str) -> InputSpec:
    """Return the input that ``text`` describes, such as "8x3x224x224", "mask=8x128:int64". Raises UsageError."""
    match = _INPUT.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--input '{text}' is no shape: write numbers joined by x, and a type behind a colon where it is not "
            "float32, such as 8x3x224x224 or 8x128:int64."
        )
    dtype = match["dtype"] or DEFAULT_DTYPE
    if dtype not in DTYPES:
        raise UsageError(f"--input '{text}': {unknown_name_message('type', dtype, DTYPES)}")
    try:
        shape = tuple(int(size) for size in match["shape"].split("x"))
    except ValueError as error:  # Python reads numbers of some thousand digits alone
        raise UsageError(f"--input '{text[:40]}…' has a number that is too long to be read.") from error
    return InputSpec(shape=shape, dtype=DTYPES[dtype], name=(match["name"] or "").strip())
