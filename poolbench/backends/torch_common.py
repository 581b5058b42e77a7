"""What the PyTorch backends share: how torch is set up, and arrays as tensors and back.

No forward call enters ``torch.inference_mode``: the inputs are made under it, and an inference tensor takes the same
path through the dispatcher without paying for the guard in every call. Training needs ordinary tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolbench.backends.geometry import contiguous, reference_axes
from poolbench.model.workload import ViewKind, Workload, default_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensor = Any
    Pool = Callable[[Tensor], Tensor]


def environment(threads: int) -> dict[str, str]:
    """Return what must be set before the import: thread counts, and no spinning between parallel regions."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "KMP_BLOCKTIME": "0",
        "CUDA_VISIBLE_DEVICES": "",
        # The compiler runs in the worker itself: a pool of compiling processes would outlive a fork badly.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


def load(threads: int) -> None:
    """Import torch and set its thread counts. Runs no operator."""
    import torch

    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:  # may be set once only
        torch.set_num_interop_threads(1)


@contextmanager
def scope() -> Iterator[None]:
    """Import torch into a process of someone else's, whose thread counts stay; autocast would change the types."""
    import torch

    with torch.autocast("cpu", enabled=False):
        yield


def facts() -> dict[str, str]:
    """Return the release, the instruction set of its kernels, and whether oneDNN is in use."""
    import torch

    return {
        "torch": torch.__version__,
        "capability": _capability(),
        "onednn": str(torch.backends.mkldnn.is_available()).lower(),
        "threads": str(torch.get_num_threads()),
    }


def _capability() -> str:
    import torch

    tell = getattr(torch.backends.cpu, "get_cpu_capability", None)  # since 2.1
    return tell() if tell is not None else "not told by this release"


def as_tensor(array: NDArray[Any], *, training: bool = False) -> Tensor:
    """Return a tensor that shares ``array``'s memory; a reversed view, which PyTorch lacks, is copied.

    It is an inference tensor, unless it is for ``training``.
    """
    import numpy as np
    import torch

    if any(stride < 0 for stride in array.strides):
        array = array.copy()  # not ascontiguousarray: it leaves the stride of an axis of length 1 as it is
    is_bfloat16 = array.dtype.name == "bfloat16"
    with torch.inference_mode(not training), warnings.catch_warnings():
        # The input is shared between processes and mapped read-only; no pooling call writes to it.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        tensor = torch.from_numpy(array.view(np.int16) if is_bfloat16 else array)
        return tensor.view(torch.bfloat16) if is_bfloat16 else tensor


def to_array(tensor: Tensor, order: str) -> NDArray[Any]:
    """Return ``tensor``, whose axes are in ``order``, as an array (batch, channels, *spatial)."""
    import ml_dtypes
    import numpy as np
    import torch

    tensor = tensor.detach()
    if tensor.is_mkldnn:
        tensor = tensor.to_dense()
    if tensor.dtype is torch.bfloat16:
        array = tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)  # uint16 came with 2.3
    else:
        array = tensor.numpy()
    return np.asarray(contiguous(array, order, default_order(len(order) - 2)))


def given_call(workload: Workload, array: NDArray[Any], pool: Pool, convert: Pool | None = None) -> Callable[[], Any]:
    """Return the timed call on the caller's own array, whose output lies as the input does.

    Axes are renamed without copying; ``convert``, and the copy of a reversed view, are part of the call.
    """
    natural = default_order(workload.spec.rank)
    to_natural = reference_axes(workload.order, natural)
    back = reference_axes(natural, workload.order)

    def on(tensor: Tensor) -> Tensor:
        viewed = tensor.permute(to_natural)
        return pool(convert(viewed) if convert else viewed).permute(back).contiguous()

    if workload.view.kind is ViewKind.REVERSED:
        return lambda: on(as_tensor(array))
    tensor = as_tensor(array)
    return lambda: on(tensor)


def indices_array(tensor: Tensor) -> NDArray[np.int64]:
    """Return PyTorch's indices as an array (batch, channels, *spatial)."""
    import numpy as np

    return np.ascontiguousarray(tensor.numpy())
