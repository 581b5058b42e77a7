from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.catalogue import derived_tags, entries, parse_catalogue, read_catalogue
from poolbench.errors import CatalogueError
from poolbench.model.ids import parse_id
from poolbench.model.workload import Origin, Workload
from tests.unit.model.strategies import workloads

STEM = "max2d-n1c64-h112w112-k3s2p1-f32-nchw"
KNOWN = {
    key: workload
    for workload in parse_catalogue(f"{STEM} stem model=ResNet-50 weight=2 tags=old # its paper", file="known.txt")
    for key in (workload.id, workload.name)
}


def test_a_line_says_all_there_is_to_say() -> None:
    line = (
        f'{STEM} stem model="3D U-Net (log)" layer=features.1 weight=3 tags=a,b-2 source_batch=32 note="x = y" # see #7'
    )
    (workload,) = parse_catalogue(line, file="mine.txt")
    assert workload == parse_id(STEM)
    assert workload.origin == Origin(
        name="stem", model="3D U-Net (log)", layer="features.1", source="see #7", source_batch=32, note="x = y"
    )
    assert workload.weight == 3
    assert workload.tags == (*derived_tags(workload), "a", "b-2")


def test_a_bare_list_of_ids_is_a_catalogue() -> None:
    text = f"# mine\n\n{STEM}\n   avg1d-n1c2-w8-k2 \n\t# indented\n"
    workloads = parse_catalogue(text, file="mine.txt")
    assert [workload.id for workload in workloads] == [STEM, "avg1d-n1c2-w8-k2-f32-ncw"]
    assert workloads[0].origin == Origin()
    assert workloads[0].tags == derived_tags(workloads[0])


@given(st.lists(workloads(), unique=True, max_size=5))
def test_every_workload_can_stand_in_a_catalogue(listed: list[Workload]) -> None:
    assert parse_catalogue("\n".join(workload.id for workload in listed), file="mine.txt") == listed


@given(st.from_regex(r'[^"\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]*', fullmatch=True))
def test_a_quoted_value_may_hold_anything_but_quotes(value: str) -> None:
    (workload,) = parse_catalogue(f'{STEM} model="{value}" weight=2', file="mine.txt")
    assert workload.origin.model == value
    assert workload.weight == 2


def test_what_is_known_of_an_id_or_a_name_is_taken_over() -> None:
    for first in (STEM, "stem", "max2d-n1c64-h112w112-k3x3s2p1"):
        (workload,) = parse_catalogue(first, file="mine.txt", known=KNOWN)
        assert workload == KNOWN["stem"]
        assert workload.origin == KNOWN["stem"].origin
        assert workload.weight == 2
        assert "old" in workload.tags


def test_the_line_goes_before_what_is_known() -> None:
    (workload,) = parse_catalogue("stem mine weight=5 tags=new", file="mine.txt", known=KNOWN)
    assert workload.origin == Origin(name="mine", model="ResNet-50", source="its paper")
    assert workload.weight == 5
    assert workload.tags[-2:] == ("old", "new")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("max2d-n1c64", "'max2d-n1c64' is not a workload id: the spatial sizes must follow"),
        ("max2d-n1c64-h1w1-k3", "cannot be computed: The window does not fit along h"),
        ("resnet", "'resnet' is not a workload id: it must begin with max1d"),
        (f"{STEM} 3stem", "expected a name of letters, digits and _ . - after the id, found '3stem'"),
        (f"{STEM} avg1d-n1c2-w8-k2", "write one workload a line"),
        (f"{STEM} stem more", "expected key=value or '# source' after the name, found 'more'"),
        (f"{STEM} stem model=ResNet 50", "found '50'; put a value with spaces in double quotes"),
        (f"{STEM} model=a stem", "found 'stem'"),
        (f"{STEM} stem modell=a", "There is no key 'modell'. Did you mean model"),
        (f"{STEM} stem model=a model=b", "expected each key once, found a second model"),
        (f"{STEM} stem weight=0", "expected a whole number from 1 on as weight, found '0'"),
        (f"{STEM} stem weight=two", "expected a whole number from 1 on as weight, found 'two'"),
        (f"{STEM} stem weight=²", "found '²'"),
        (f"{STEM} stem source_batch=", "as source_batch, found ''"),
        (f"{STEM} stem tags=", "expected tags of small letters"),
        (f"{STEM} stem tags=a,,b", "separated by commas alone; found ''"),
        (f"{STEM} stem tags=Big", "found 'Big'"),
        (f'{STEM} stem note="open', 'expected a closing double quote after "open'),
        (f'{STEM} stem note="a" layer="b # c', 'expected a closing double quote after "b # c'),
    ],
)
def test_an_error_names_file_line_and_what_was_expected(line: str, expected: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse_catalogue(f"# header\n\n{line}\n", file="mine.txt")
    assert str(caught.value).startswith("mine.txt:3: ")
    assert expected in str(caught.value)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(CatalogueError, match=r"mine.txt:1: expected a workload id.* 'sten'. Did you mean stem\?"):
        parse_catalogue("sten", file="mine.txt", known=KNOWN)


@pytest.mark.parametrize("again", [STEM, "max2d-n1c64-h112w112-k3s2p1 other", "stem"])
def test_a_workload_stands_once_in_a_file(again: str) -> None:
    with pytest.raises(CatalogueError, match=rf"mine.txt:3: the id {STEM} stands in line 1 already"):
        parse_catalogue(f"{STEM}\n\n{again}", file="mine.txt", known=KNOWN)


def test_a_name_stands_once_in_a_file() -> None:
    with pytest.raises(CatalogueError, match=r"mine.txt:2: the name a stands in line 1 already"):
        parse_catalogue(f"{STEM} a\navg1d-n1c2-w8-k2 a", file="mine.txt")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe")
    for path, expected in (
        (tmp_path / "absent.txt", "No such file"),
        (tmp_path, "Is a directory"),
        (empty, "holds no workload: write one id a line"),
        (binary, "not text in UTF-8"),
    ):
        with pytest.raises(CatalogueError) as caught:
            read_catalogue(path)
        assert f"'{path}'" in str(caught.value)
        assert expected in str(caught.value)


def test_a_file_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    chosen = [workload.id for workload in entries()][9::-3]
    path.write_text("\n".join(chosen), encoding="utf-8")
    assert [workload.id for workload in read_catalogue(path)] == chosen
