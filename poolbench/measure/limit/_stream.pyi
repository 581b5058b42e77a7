import numpy as np
from numpy.typing import NDArray

class Plan:
    pattern: int

    def __init__(
        self,
        input: NDArray[np.uint8],
        offsets: NDArray[np.int64],
        lengths: NDArray[np.int64],
        unit_count: int,
        unit_stride: int,
        out: NDArray[np.uint8],
    ) -> None: ...
    def choose(self, variant: int, threads: int = 1) -> None: ...
    def run(self) -> int: ...
    @property
    def touched_bytes(self) -> int: ...
    @property
    def run_count(self) -> int: ...

def variants() -> list[str]: ...
def isa() -> str: ...
