import pytest

from poolbench.catalogue import choose, entries, select
from poolbench.catalogue.load import parse_catalogue
from poolbench.errors import CatalogueError, UnknownNameError, UsageError
from poolbench.model.ids import parse_id
from poolbench.model.workload import Pass

STEM = "max2d-n1c64-h112w112-k3s2p1-f32-nchw"


def chosen(*selectors: str, **how: object) -> list[str]:
    return [workload.name for workload in choose(selectors, **how).workloads]  # type: ignore[arg-type]


def test_each_workload_comes_in_each_pass_side_by_side() -> None:
    passes = ["training", "training-forward", "training-backward", "forward"]
    found = choose(["resnet50_stem", "resnet50_gap"], passes=passes)
    assert [workload.name for workload in found.workloads] == [
        f"{layer}{ending}"
        for layer in ("resnet50_stem", "resnet50_gap")
        for ending in (".train", ".trainfwd", ".trainbwd", "")
    ]
    assert [workload.pass_.value for workload in found.workloads[:4]] == passes
    assert found.workloads[0].id == f"{STEM}.train" and found.notes == ()


def test_a_pass_changes_the_tags_that_follow_from_it_and_nothing_else() -> None:
    (trained,) = choose(["resnet50_stem"], passes=["training"]).workloads
    (plain,) = select(["resnet50_stem"])
    assert set(trained.tags) - set(plain.tags) == {"training"}
    assert trained.origin.source == plain.origin.source and trained.weight == plain.weight
    (back,) = choose(["resnet50_stem.train"], passes=["forward"]).workloads
    assert back == plain and back.origin == plain.origin and set(back.tags) == set(plain.tags)


def test_without_a_pass_each_stays_in_its_own() -> None:
    assert chosen("resnet50_stem", "resnet50_stem.train") == ["resnet50_stem", "resnet50_stem.train"]


def test_gradients_are_sliced_from_a_buffer_of_twice_the_channels() -> None:
    both = choose(["resnet50_stem"], passes=["training"], gradients=["contiguous", "sliced"]).workloads
    assert [workload.id for workload in both] == [f"{STEM}.train", f"{STEM}.train.gc128"]
    assert "view" in both[1].tags and "view" not in both[0].tags
    # A forward reads no gradient, and appears once.
    passes = ["training-forward", "training-backward"]
    assert chosen("resnet50_stem", passes=passes, gradients=["contiguous", "sliced"]) == [
        "resnet50_stem.trainfwd",
        "resnet50_stem.trainbwd",
        "resnet50_stem.trainbwd.gc128",
    ]
    assert chosen("resnet50_stem.train.gc99", gradients=["contiguous"]) == ["resnet50_stem.train"]
    assert chosen("resnet50_stem.train.gc99", passes=["training-backward"]) == ["resnet50_stem.trainbwd.gc99"]


def test_the_source_s_batch_is_that_of_its_training() -> None:
    (workload,) = choose(
        ["resnet50_stem.train.gc128"], batch_from_source=True, passes=["training"], gradients=["sliced"]
    ).workloads
    assert workload.id == "max2d-n32c64-h112w112-k3s2p1-f32-nchw.train.gc128"
    assert workload.name == "resnet50_stem.train.gc128"


def test_integers_are_left_out_with_a_sentence() -> None:
    ids = ["max2d-n1c2-h4w4-k2-i8", "max2d-n1c2-h4w4-k2-f32", "max2d-n1c2-h4w4-k2-u8"]
    found = choose(ids, passes=["training", "forward"])
    assert [(workload.dtype.value, workload.pass_) for workload in found.workloads] == [
        ("i8", Pass.FORWARD),
        ("f32", Pass.TRAINING),
        ("f32", Pass.FORWARD),
        ("u8", Pass.FORWARD),
    ]
    (note,) = found.notes
    assert "only floating types have a gradient" in note and "-i8-" in note and "-u8-" in note
    with pytest.raises(UsageError, match=r"Nothing is left.*only floating types"):
        choose(ids[:1], passes=["training"])


def test_what_is_not_known_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no pass 'train'.*training"):
        choose(["core"], passes=["train"])
    with pytest.raises(UnknownNameError, match=r"no form of a gradient 'slice'.*sliced"):
        choose(["core"], passes=["training"], gradients=["slice"])
    with pytest.raises(UsageError, match="ask for the pass training"):
        choose(["core"], gradients=["sliced"])


def test_a_name_or_an_id_with_a_pass_is_the_entry_in_that_pass() -> None:
    for selector in ("resnet50_stem.train.gc96", f"{STEM}.train.gc96"):
        (workload,) = select([selector])
        assert (workload.id, workload.name) == (f"{STEM}.train.gc96", "resnet50_stem.train.gc96")
        assert workload.origin.model == "ResNet-50" and workload.origin.source_batch == 32
    with pytest.raises(UnknownNameError, match=r"resnet50_stm\.train"):
        select(["resnet50_stm.train"])


def test_a_catalogue_file_may_name_entries_in_a_pass() -> None:
    known = {workload.name: workload for workload in entries()}
    (workload,) = parse_catalogue("resnet50_stem.trainbwd.gc96", file="mine", known=known)
    assert workload.id == f"{STEM}.trainbwd.gc96"
    with pytest.raises(CatalogueError, match=r"mine:1: resnet50_stem.train.gc3 .* more than 64 channels"):
        parse_catalogue("resnet50_stem.train.gc3", file="mine", known=known)


def test_every_entry_can_be_trained_and_its_id_parses_back() -> None:
    for workload in choose(["*"], passes=["training"], gradients=["sliced"]).workloads:
        assert parse_id(workload.id) == workload
