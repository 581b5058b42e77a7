import pytest

from poolbench.catalogue import derived_tags, entries, members, set_names
from poolbench.catalogue.sets import HEAVY_BYTES
from poolbench.catalogue.tags import derivable_tags
from poolbench.errors import UnknownNameError
from poolbench.model.ids import looks_like_id, parse_id, split_pass
from poolbench.model.workload import Pass


def test_every_entry_has_an_id_a_name_a_model_and_a_source() -> None:
    assert len(entries()) == 106
    for workload in entries():
        assert workload.origin.name
        assert workload.origin.model
        assert workload.origin.source
        assert parse_id(workload.id) == workload


def test_ids_and_names_are_distinct() -> None:
    assert len({workload.id for workload in entries()}) == 106
    assert len({workload.name for workload in entries()}) == 106


def test_a_name_is_never_a_set_a_tag_or_an_id() -> None:
    names = {workload.name for workload in entries()}
    tags = {tag for workload in entries() for tag in workload.tags} | set(derivable_tags())
    assert names.isdisjoint(tags)
    assert names.isdisjoint(set_names())
    assert tags.isdisjoint(set_names())
    assert not any(looks_like_id(name) for name in names | tags | set(set_names()))


def test_sets_have_their_sizes() -> None:
    assert set_names() == ("smoke", "core", "training-core", "ci", "full", "heavy")
    assert [len(members(name)) for name in set_names()] == [4, 12, 14, 24, 96, 10]


def test_full_and_heavy_part_the_entries_by_size_alone() -> None:
    assert {*members("full"), *members("heavy")} == set(entries())
    assert max(workload.input_bytes for workload in members("full")) <= HEAVY_BYTES
    assert min(workload.input_bytes for workload in members("heavy")) > HEAVY_BYTES


@pytest.mark.parametrize("name", ["smoke", "core", "ci"])
def test_lists_hold_entries_that_are_not_heavy(name: str) -> None:
    assert set(members(name)) <= set(members("full"))
    assert all(workload.origin.source for workload in members(name))


def test_core_spans_ranks_and_kinds_within_small_inputs() -> None:
    core = members("core")
    for tag in ("1d", "2d", "3d", "max", "avg", "global", "ceil", "padded", "stride1"):
        assert any(tag in workload.tags for workload in core), tag
    assert max(workload.input_bytes for workload in core) < 17e6
    assert all(workload.spec.has_symmetric_padding for workload in core)
    # TensorFlow divides by what lies inside alone, so an average that counts its padding is left to the other sets.
    assert not any(w.spec.is_padded and w.spec.include_padding and "avg" in w.tags for w in core)


def test_training_core_holds_core_and_the_share_of_sliced_gradients_that_traces_show() -> None:
    trained = members("training-core")
    assert {workload.pass_ for workload in trained} == {Pass.TRAINING}
    layers = {split[0] for workload in trained if (split := split_pass(workload.name))}
    assert {workload.name for workload in members("core")} <= layers
    sliced = [workload for workload in trained if not workload.gradient_view.is_contiguous]
    assert 0.14 <= len(sliced) / len(trained) <= 0.40
    assert all(workload.origin.source and "training" in workload.tags for workload in trained)


def test_a_slice_is_that_of_the_trace() -> None:
    """The trace gives strides; the batch's stride is channels × plane of the buffer."""
    for name, batch_stride, plane in (("inceptionv3_6a_pool", 221952, 17 * 17), ("inceptionv3_7a_pool", 81920, 8 * 8)):
        (workload,) = (w for w in members("training-core") if w.name.startswith(name))
        assert workload.output_spatial[0] * workload.output_spatial[1] == plane
        assert workload.gradient_view.channels == batch_stride // plane
        assert f"stride=({batch_stride}," in workload.origin.note


def test_ci_holds_core_and_the_rarer_rules() -> None:
    assert set(members("core")) <= set(members("ci"))
    for tag in ("uneven", "large-window", "channels-last", "anisotropic", "reported", "xpad"):
        assert any(tag in workload.tags for workload in members("ci")), tag


def test_an_unknown_set_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no set of workloads 'cor'. Did you mean core or ci\?"):
        members("cor")


@pytest.mark.parametrize(
    ("name", "workload_id", "weight", "source_batch"),
    [
        ("inceptionv3_6b_pool", "avg2d-n1c768-h17w17-k3s1p1-f32-nchw", 4, 128),
        ("poolformer_m36_s3", "avg2d-n1c384-h14w14-k3s1p1-xpad-f32-nchw", 18, 64),
        ("nest_pool_cl", "max2d-n1c256-h57w57-k3s2-f32-nhwc", 1, 64),
        ("i3d_2a", "max3d-n1c64-d32h112w112-k1x3x3s1x2x2p0x0_1x0_1-f32-ncdhw", 1, None),
        ("crnn_pool2", "max2d-n1c256-h8w25-k2s2x1p0x1-f32-nchw", 1, None),
        ("pointset_global_15000", "max1d-n16c1024-w15000-k15000-f32-wnc", 1, None),
        ("issue_torch_43267_dil", "max2d-n10c16-h2048w2048-k4s1p1d2-ceil-f32-nchw", 1, None),
        ("googlenet_aux1", "avg2d-n1c512-h14w14-a4-f32-nchw", 1, None),
    ],
)
def test_telling_entries_read_as_their_sources(
    name: str, workload_id: str, weight: int, source_batch: int | None
) -> None:
    (workload,) = (workload for workload in entries() if workload.name == name)
    assert (workload.id, workload.weight, workload.origin.source_batch) == (workload_id, weight, source_batch)


@pytest.mark.parametrize(
    ("workload_id", "tags"),
    [
        ("max2d-n1c1-h8w8-k2", {"max", "2d"}),
        ("max2d-n1c1-h8w8-k2s1x2", {"max", "2d", "overlapping", "anisotropic"}),
        ("avg2d-n1c1-h8w8-k1s2", {"avg", "2d"}),
        ("avg2d-n1c1-h8w8-k8", {"avg", "2d", "global"}),
        ("avg2d-n1c1-h8w4-k8x4s1", {"avg", "2d", "global"}),
        ("avg2d-n1c1-h8w8-a1", {"avg", "2d", "global", "adaptive"}),
        ("avg2d-n1c1-h8w8-a3", {"avg", "2d", "adaptive", "uneven"}),
        ("avg2d-n1c1-h8w8-a4", {"avg", "2d", "adaptive"}),
        ("max1d-n1c1-w20-k7s1p3", {"max", "1d", "stride1", "overlapping", "large-window", "padded"}),
        ("avg1d-n1c1-w20-k2p0_1-xpad", {"avg", "1d", "padded", "asymmetric", "xpad"}),
        ("max3d-n1c1-d4h8w8-k2d2-ceil", {"max", "3d", "ceil", "dilated"}),
        ("max2d-n1c1-h8w8-k2-f32-nhwc.r.train", {"max", "2d", "channels-last", "view", "training"}),
    ],
)
def test_derived_tags_follow_from_the_workload(workload_id: str, tags: set[str]) -> None:
    derived = derived_tags(parse_id(workload_id))
    assert set(derived) == tags
    assert set(derived) <= set(derivable_tags())
