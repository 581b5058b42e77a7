from dataclasses import replace

import pytest

from poolbench.errors import StoreError
from poolbench.fleet.shelf import Shelf
from poolbench.model.fleet import FleetTask
from poolbench.store.codec import encode_header, encode_row
from tests.unit.builders import MAX2D, make_header, make_rows

TASK = FleetTask(workloads=(MAX2D,), subjects=("numpy",))


def data(machine, key=TASK.key):
    header = make_header(["numpy"], [MAX2D])
    header = replace(header, run=key, machine=replace(header.machine, identity=machine))
    rows = [replace(row, run=key, machine=machine) for row in make_rows({MAX2D: {"numpy": 1e5}}, launches=1)]
    return encode_header(header) + b"".join(map(encode_row, rows))


def test_what_comes_twice_is_stored_once_whichever_machine_it_is_of(tmp_path):
    shelf = Shelf(tmp_path)
    assert shelf.lacking([TASK]) == [TASK]
    assert shelf.put(TASK.key, data("one"))
    assert not shelf.put(TASK.key, data("one"))
    assert not shelf.put(TASK.key, data("two"))  # a frozen machine that came back
    assert [path.parent.name for path in tmp_path.glob("*/fleet-*")] == ["one"]
    assert shelf.lacking([TASK]) == []
    assert shelf.find(TASK.key).read_bytes() == data("one")


def test_one_alone_puts_and_knows_what_is_there(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put(TASK.key, data("one"))
    with shelf.alone():
        assert not shelf.put(TASK.key, data("two"))
        assert shelf.put("fleet-0", data("two", "fleet-0"))
        assert not shelf.put("fleet-0", data("one", "fleet-0"))
        with pytest.raises(StoreError, match="Another 'poolbench fleet run'"), Shelf(tmp_path).alone():
            pass
    with Shelf(tmp_path).alone():
        assert Shelf(tmp_path).keys() == {TASK.key, "fleet-0"}


def test_what_is_in_hand_is_not_done(tmp_path):
    shelf = Shelf(tmp_path)
    path = shelf.in_hand / "one" / f"{TASK.key}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(data("one"))
    assert shelf.begun(TASK.key, "one") == path
    assert shelf.lacking([TASK]) == [TASK]
    shelf.finish(path)
    assert shelf.lacking([TASK]) == []


def test_a_run_in_another_s_place_is_refused(tmp_path):
    with pytest.raises(StoreError, match="in the place of"):
        Shelf(tmp_path).put("fleet-0", data("one"))
    assert not list(tmp_path.glob("*/*"))
