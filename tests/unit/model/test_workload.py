import pytest
from hypothesis import given

from poolbench.errors import InvalidSpecError
from poolbench.model.ids import parse_id
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import CONTIGUOUS, DType, Pass, View, ViewKind, Workload
from tests.unit.model.strategies import workloads

STEM = parse_id("max2d-n2c64-h112w110-k3s2p1-f32-nhwc")


def test_shapes_follow_the_order() -> None:
    assert STEM.input_shape == (2, 112, 110, 64)
    assert STEM.output_shape == (2, 56, 55, 64)
    assert STEM.reference_input_shape == (2, 64, 112, 110)
    assert STEM.reference_output_shape == (2, 64, 56, 55)
    assert STEM.output_spatial == (56, 55)
    assert STEM.is_channels_last
    assert not parse_id("max2d-n2c64-h112w110-k3s2p1").is_channels_last


def test_bytes_are_of_elements() -> None:
    assert STEM.input_bytes == 2 * 64 * 112 * 110 * 4
    assert STEM.output_bytes == 2 * 64 * 56 * 55 * 4
    assert parse_id("avg1d-n1c2-w10-k2-bf16").input_bytes == 40
    assert parse_id("max1d-n1c2-w10-k2-f32-ncw.c3").input_bytes == 80, "a view's gaps do not count"


@pytest.mark.parametrize(
    ("ending", "read", "written"),
    # 2×3×8×10 float32 in, 2×3×4×5 out: 1920 and 480 bytes.
    [("", 1920, 480), (".trainfwd", 1920, 480), (".trainbwd", 480, 1920), (".train", 2400, 2400)],
)
def test_a_pass_moves_each_array_that_it_touches_once(ending: str, read: int, written: int) -> None:
    workload = parse_id(f"max2d-n2c3-h8w10-k2-f32-nchw{ending}")
    assert (workload.read_bytes, workload.written_bytes) == (read, written)


def test_integers_have_no_training_pass() -> None:
    spec = PoolSpec.windowed(Kind.MAX, (2, 2))
    for pass_ in Pass:
        if pass_ is not Pass.FORWARD:
            with pytest.raises(InvalidSpecError, match="Only floating types have a gradient: i8"):
                Workload(spec=spec, batch=1, channels=1, spatial=(4, 4), dtype=DType.I8, pass_=pass_)


@given(workloads())
def test_another_batch_changes_the_batch_alone(workload: Workload) -> None:
    more = workload.with_batch(workload.batch + 1)
    assert more.batch == workload.batch + 1
    assert more.id != workload.id
    assert more.with_batch(workload.batch) == workload


@pytest.mark.parametrize(
    ("dtype", "itemsize", "is_float", "numpy_name"),
    [
        (DType.F64, 8, True, "float64"),
        (DType.F32, 4, True, "float32"),
        (DType.F16, 2, True, "float16"),
        (DType.BF16, 2, True, "bfloat16"),
        (DType.I8, 1, False, "int8"),
        (DType.U8, 1, False, "uint8"),
        (DType.I16, 2, False, "int16"),
        (DType.I32, 4, False, "int32"),
        (DType.I64, 8, False, "int64"),
    ],
)
def test_element_types(dtype: DType, itemsize: int, is_float: bool, numpy_name: str) -> None:
    assert (dtype.itemsize, dtype.is_float, dtype.numpy_name) == (itemsize, is_float, numpy_name)


def test_views_print_as_in_ids() -> None:
    assert str(View(kind=ViewKind.CHANNEL_SLICE, channels=96)) == "c96"
    assert str(View(kind=ViewKind.REVERSED)) == "r"
    assert str(CONTIGUOUS) == ""
    assert CONTIGUOUS.is_contiguous


def test_a_gradient_needs_the_training_pass() -> None:
    spec = PoolSpec.windowed(Kind.MAX, (2, 2))
    transposed = View(kind=ViewKind.TRANSPOSED)
    with pytest.raises(InvalidSpecError, match="only a training pass that runs backward reads a gradient"):
        Workload(spec=spec, batch=1, channels=1, spatial=(4, 4), gradient_view=transposed)
    trained = Workload(spec=spec, batch=1, channels=1, spatial=(4, 4), pass_=Pass.TRAINING, gradient_view=transposed)
    assert trained.id.endswith(".train.gt")


def test_a_channel_slice_needs_its_buffer() -> None:
    with pytest.raises(InvalidSpecError, match="None was given"):
        Workload(
            spec=PoolSpec.windowed(Kind.MAX, (2, 2)),
            batch=1,
            channels=3,
            spatial=(4, 4),
            view=View(kind=ViewKind.CHANNEL_SLICE),
        )
