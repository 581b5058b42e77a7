import pytest
from hypothesis import given

from poolbench.errors import InvalidIdError
from poolbench.model.ids import EXAMPLE_ID, looks_like_id, parse_id, split_pass
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import DType, Origin, Pass, View, ViewKind, Workload, pass_text
from tests.unit.model.strategies import workloads


@given(workloads())
def test_every_workload_parses_back_from_its_id(workload: Workload) -> None:
    assert parse_id(workload.id) == workload
    assert parse_id(workload.id).id == workload.id


@given(workloads(), workloads())
def test_ids_are_equal_only_for_equal_workloads(one: Workload, other: Workload) -> None:
    assert (one.id == other.id) == (one == other)


@given(workloads())
def test_the_ending_of_an_id_splits_off(workload: Workload) -> None:
    split = split_pass(workload.id)
    if workload.pass_ is Pass.FORWARD:
        assert split is None
        return
    assert split is not None
    assert split[1:] == (workload.pass_, workload.gradient_view)
    assert split[0] + pass_text(*split[1:]) == workload.id
    assert split_pass("resnet50_stem" + pass_text(*split[1:])) == ("resnet50_stem", *split[1:])


@given(workloads())
def test_an_id_is_one_word(workload: Workload) -> None:
    assert workload.id == "".join(workload.id.split())
    assert "#" not in workload.id and "/" not in workload.id
    assert looks_like_id(workload.id)


def test_an_id_says_what_is_computed() -> None:
    workload = parse_id("avg2d-n1c96-h56w28-k3x2s1p1x0_1-xpad-bf16-nhwc.c128.train.gt")
    assert workload == Workload(
        spec=PoolSpec.windowed(
            Kind.AVG, (3, 2), stride=(1, 1), padding=((1, 1), (0, 1)), dilation=1, include_padding=False
        ),
        batch=1,
        channels=96,
        spatial=(56, 28),
        dtype=DType.BF16,
        order="nhwc",
        view=View(kind=ViewKind.CHANNEL_SLICE, channels=128),
        pass_=Pass.TRAINING,
        gradient_view=View(kind=ViewKind.TRANSPOSED),
    )


@pytest.mark.parametrize(
    "example",
    [
        EXAMPLE_ID,
        "max3d-n1c64-d32h112w112-k1x3x3s1x2x2p0x0_1x0_1-f32-ncdhw",
        "max2d-n10c16-h2048w2048-k4s1p1d2-ceil-f32-nchw",
        "avg2d-n1c96-h56w56-k3s1p1-xpad-f32-nchw.train.gc768",
        "avg2d-n1c8-h9w9-k3s1-div7-f64-nchw",
        "avg1d-n8c512-w301-a1-f32-ncw",
        "max1d-n2c3-w8-k2-u8-nwc.r",
        "max1d-n2c3-w8-k2-f32-nwc.r.trainfwd",
        "max1d-n2c3-w8-k2-f32-nwc.r.trainbwd.gc5",
    ],
)
def test_examples_are_canonical(example: str) -> None:
    assert parse_id(example).id == example


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("max2d-n1c64-h112w112-k3s2p1", EXAMPLE_ID),
        ("max2d-n1c64-h112w112-k3x3s2x2p1x1d1x1-f32", EXAMPLE_ID),
        ("max2d-n1c64-h112w112-k3s2p1_1-nchw", EXAMPLE_ID),
        ("max2d-n1c4-h8w8-k2s2p0d1", "max2d-n1c4-h8w8-k2-f32-nchw"),
        ("max2d-n1c4-h8w8-k2s2x1", "max2d-n1c4-h8w8-k2s2x1-f32-nchw"),
        ("avg1d-n1c4-w8-a1", "avg1d-n1c4-w8-a1-f32-ncw"),
        ("avg3d-n1c4-d2h8w8-a1x1x1", "avg3d-n1c4-d2h8w8-a1-f32-ncdhw"),
    ],
)
def test_defaults_may_be_left_out_or_written(spelling: str, canonical: str) -> None:
    assert parse_id(spelling).id == canonical


def test_what_only_describes_is_not_in_the_id() -> None:
    described = parse_id(EXAMPLE_ID, origin=Origin(name="stem", model="ResNet-50"), tags=("max",), weight=3)
    assert described.id == EXAMPLE_ID
    assert described == parse_id(EXAMPLE_ID)
    assert (described.name, described.weight, described.tags) == ("stem", 3, ("max",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must begin with max1d"),
        ("min2d-n1c1-w4-k2", "must begin with max1d"),
        ("max4d-n1c1-w4-k2", "must begin with max1d"),
        ("max2d-c1n1-h4w4-k2", "batch and channels must follow, such as -n1c64; found '-c1n1-h4w4-k2'"),
        ("max2d-n1c1-k2", "the spatial sizes must follow"),
        ("max2d-n1c1", "the spatial sizes must follow, such as -h112w112; found 'nothing'"),
        ("max2d-n1c1-h4w4", "the window must follow"),
        ("max2d-n1c1-h4w4-s2k2", "the window must follow"),
        ("max2d-n1c1-h4w4-k2-f31", "after 'max2d-n1c1-h4w4-k2' only -ceil"),
        ("avg2d-n1c1-h4w4-k2-xpad-ceil", "in this order; found '-xpad-ceil'"),
        ("max2d-n1c1-h4w4-k2-f32-nchw.gt", "found '-f32-nchw.gt'"),
        ("max2d-n1c1-h4w4-k2-f32-nchw.trained", "a pass (.train, .trainfwd, .trainbwd)"),
        (" max2d-n1c1-h4w4-k2", "must begin with"),
    ],
)
def test_a_malformed_id_is_explained_where_the_grammar_is_left(text: str, expected: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        parse_id(text)
    assert f"'{text}' is not a workload id" in str(caught.value)
    assert expected in str(caught.value)
    assert EXAMPLE_ID in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max2d-n1c1-w4-k2", "pools 2 spatial axes, so its sizes must be given as h#w#"),
        ("max1d-n1c1-h4w4-k2", "pools 1 spatial axes, so its sizes must be given as w#"),
        ("max3d-n1c1-h4w4-k2", "d#h#w#"),
        ("max2d-n1c1-h4w4-k5", "does not fit along h: it spans 5 (window 5, dilation 1)"),
        ("max2d-n1c1-h9w4-k3d2", "does not fit along w: it spans 5"),
        ("max2d-n0c1-h4w4-k2", "Batch 0 and channels 1"),
        ("max2d-n1c1-h4w4-k2x2x2", "The window (2, 2, 2) has 3 entries"),
        ("max2d-n1c1-h4w4-k2s0", "The stride (0, 0) has an entry below 1"),
        ("max2d-n1c1-h4w4-k2-xpad", "a maximum has none"),
        ("max2d-n1c1-h4w4-k2-div3", "a maximum has none"),
        ("avg2d-n1c1-h4w4-k2-div0", "The divisor is 0"),
        ("avg2d-n1c1-h4w4-a1-ceil", "An adaptive window takes no -ceil"),
        ("max2d-n1c1-h4w4-k2-f32-ncw", "The axis order 'ncw' does not fit 2 spatial axes"),
        ("max2d-n1c1-h4w4-k2-f32-nchh", "The axis order 'nchh' does not fit"),
        ("max2d-n1c8-h4w4-k2-f32-nchw.c8", "needs a buffer of more than 8 channels; 8 was given"),
        ("max1d-n1c1-w2-k2s1p0_3", "would read padding alone"),
        ("max2d-n1c8-h4w4-k2-f32-nchw.trainfwd.gt", "only a training pass that runs backward reads a gradient"),
        ("max2d-n1c8-h4w4-k2-f32-nchw.train.gc8", "needs a buffer of more than 8 channels; 8 was given"),
        ("max2d-n1c8-h4w4-k2-u8-nchw.train", "Only floating types have a gradient"),
    ],
)
def test_an_id_that_cannot_be_computed_says_why(text: str, expected: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        parse_id(text)
    assert f"'{text}'" in str(caught.value)
    assert expected in str(caught.value)
