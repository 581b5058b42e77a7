from typing import Any, final

@final
class Pullback:
    @property
    def saved_bytes(self) -> int: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    def __call__(self, grad_output: Any, *, out: Any = ..., threads: int | None = ...) -> Any: ...

def max_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> Any: ...
def avg_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> Any: ...
def adaptive_max_pool(
    rank: int,
    input: Any,
    output_size: Any,
    return_indices: bool,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> Any: ...
def adaptive_avg_pool(
    rank: int,
    input: Any,
    output_size: Any,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> Any: ...
def train_max_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> tuple[Any, Pullback]: ...
def train_avg_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> tuple[Any, Pullback]: ...
def train_adaptive_max_pool(
    rank: int,
    input: Any,
    output_size: Any,
    return_indices: bool,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> tuple[Any, Pullback]: ...
def train_adaptive_avg_pool(
    rank: int,
    input: Any,
    output_size: Any,
    out: Any,
    threads: int | None,
    layout: str,
    isa: str | None = ...,
    kernel: str | None = ...,
    explained_gradient: Any = ...,
    /,
) -> tuple[Any, Pullback]: ...
def pull_back(
    pullback: Pullback, grad_output: Any, out: Any, threads: int | None, isa: str | None, kernel: str | None, /
) -> Any: ...
def kernels() -> list[dict[str, str]]: ...
def isa() -> str: ...
def view(array: Any, name: str, /) -> Any: ...
def processors() -> int: ...
def cpu_quota(root: str = "") -> float: ...
def clear_outputs() -> None: ...
def kept_output_bytes() -> int: ...
