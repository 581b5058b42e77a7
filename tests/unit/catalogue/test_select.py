from pathlib import Path

import pytest

from poolbench.catalogue import entries, members, select
from poolbench.errors import CatalogueError, InvalidIdError, UnknownNameError, UsageError
from poolbench.model.workload import Workload

STEM = "max2d-n1c64-h112w112-k3s2p1-f32-nchw"


def names(workloads: list[Workload]) -> list[str]:
    return [workload.name for workload in workloads]


def test_a_set_gives_its_members_in_order() -> None:
    assert select(["core"]) == list(members("core"))
    assert select(["heavy"]) == list(members("heavy"))


def test_an_id_or_a_name_gives_the_entry() -> None:
    for selector in ("resnet50_stem", STEM, "max2d-n1c64-h112w112-k3s2p1"):
        (workload,) = select([selector])
        assert workload.origin.model == "ResNet-50"
        assert workload.id == STEM


def test_an_id_need_not_stand_in_the_catalogue() -> None:
    (workload,) = select(["max2d-n3c5-h9w9-k3"])
    assert workload.id == "max2d-n3c5-h9w9-k3-f32-nchw"
    assert workload.name == workload.id
    assert workload.tags == ("max", "2d")


def test_a_glob_runs_over_names_and_ids() -> None:
    assert names(select(["vgg16_pool?"])) == [f"vgg16_pool{i}" for i in range(1, 6)]
    assert {workload.spec.rank for workload in select(["max1d-*"])} == {1}
    assert select(["*"]) == list(entries())
    assert names(select(["*_gap"])) == [workload.name for workload in entries() if workload.name.endswith("_gap")]


def test_a_tag_gives_all_entries_that_bear_it() -> None:
    assert set(select(["1d"])) == {workload for workload in entries() if workload.spec.rank == 1}
    assert all("reported" in workload.tags for workload in select(["reported"]))
    assert len(select(["reported"])) == 12


def test_order_is_kept_and_repetitions_are_dropped() -> None:
    chosen = select(["textcnn_k3", "resnet50_stem", STEM, "core", "textcnn_k3"])
    assert names(chosen)[:2] == ["textcnn_k3", "resnet50_stem"]
    assert len(chosen) == 12


@pytest.mark.parametrize("nothing", [[], [""], [" ", ""]])
def test_nothing_named_is_a_mistake(nothing: list[str]) -> None:
    with pytest.raises(UsageError, match="No workload is named"):
        select(nothing)


@pytest.mark.parametrize("file_name", ["mine.txt", "mine"])
def test_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_name: str) -> None:
    (tmp_path / file_name).write_text("resnet50_stem\nmax2d-n3c5-h9w9-k3 odd\n# vgg16_pool1\n")
    monkeypatch.chdir(tmp_path)
    for selector in (file_name, f"./{file_name}", str(tmp_path / file_name)):
        assert names(select([selector])) == ["resnet50_stem", "odd"]


def test_a_file_never_hides_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "smoke").write_text("resnet50_stem\n")
    monkeypatch.chdir(tmp_path)
    assert select(["smoke"]) == list(members("smoke"))
    assert names(select(["./smoke"])) == ["resnet50_stem"]


def test_the_batch_of_the_source_replaces_the_batch() -> None:
    stem, unknown, foreign = select(["resnet50_stem", "textcnn_k3", "max2d-n3c5-h9w9-k3"], batch_from_source=True)
    assert stem.id == "max2d-n32c64-h112w112-k3s2p1-f32-nchw"
    assert stem.name == "resnet50_stem"
    assert unknown.batch == 64, "no batch is known of the source: the entry's own stays"
    assert foreign.batch == 3


def test_workloads_that_become_one_at_the_source_batch_are_measured_once() -> None:
    assert len(select(["resnet50_stem", "max2d-n32c64-h112w112-k3s2p1"], batch_from_source=True)) == 1


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("resnet5_stem", "There is no workload, set or tag 'resnet5_stem'. Did you mean resnet50_stem"),
        ("cores", "Did you mean core"),
        ("overlaping", "Did you mean overlapping"),
        ("x" * 5000, "There is no workload, set or tag"),
        ("", "There is no workload, set or tag ''"),
        ("vgg17_*", "There is no workload whose name or id matches 'vgg17_*'. Did you mean vgg16_"),
        ("avg4*", "There is no workload whose name or id matches 'avg4*'"),
        ("view", "There is no workload with the tag 'view'"),
    ],
)
def test_what_is_unknown_gets_the_nearest(selector: str, expected: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        select(["core", selector])
    assert expected in str(caught.value)


def test_a_malformed_id_is_explained_as_one() -> None:
    with pytest.raises(InvalidIdError, match="the window must follow"):
        select(["max2d-n1c64-h112w112"])


@pytest.mark.parametrize("path", ["absent.txt", "no/such/file"])
def test_a_file_that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(CatalogueError, match=f"'{path}' cannot be read: No such file"):
        select([path])


def test_an_error_in_a_file_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("core\n")
    with pytest.raises(CatalogueError, match=r"mine.txt:1: expected a workload id"):
        select([str(tmp_path / "mine.txt")])
