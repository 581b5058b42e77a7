from __future__ import annotations

from poolbench.observe.diary import Diary, read_diary
from poolbench.observe.sighting import Sighting


def seen(id_, pass_):
    return Sighting(id=id_, pass_=pass_, function="max_pool2d", shape=(1, 2, 4, 4), strides=(32, 16, 4, 1))


def test_the_last_line_of_a_call_holds(tmp_path):
    path = tmp_path / "diary"
    diary = Diary(str(path), "torch", "1.0")
    diary.tell(1, seen("a.trainfwd", "training-forward"))
    diary.tell(2, seen("b", "forward"))
    diary.tell(3, seen("b", "forward"))
    diary.tell(1, seen("a.train", "training"))
    report = read_diary(path, "It ended.")
    assert dict(report.sightings) == {seen("a.train", "training"): 1, seen("b", "forward"): 2}
    assert (report.framework, report.version, report.problem) == ("torch", "1.0", "It ended.")


def test_a_diary_that_was_begun_anew_and_one_that_was_cut_off(tmp_path):
    path = tmp_path / "diary"
    Diary(str(path), "torch", "1.0").tell(1, seen("a", "forward"))
    Diary(str(path), "torch", "1.0").tell(1, seen("b", "forward"))
    with path.open("a") as file:
        file.write('{"number":2,"sight')
    assert dict(read_diary(path, "").sightings) == {seen("b", "forward"): 1}


def test_an_empty_diary_has_nothing(tmp_path):
    path = tmp_path / "diary"
    path.touch()
    assert read_diary(path, "") is None
    Diary(str(path), "torch", "1.0")
    assert read_diary(path, "") is None
