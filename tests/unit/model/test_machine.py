import re
from dataclasses import replace

import pytest

from poolbench.errors import UsageError
from poolbench.model.machine import Conditions, Hardware, MachineFingerprint, chosen_identity

HARDWARE = Hardware(
    processor="Intel(R) Xeon(R) CPU @ 2.80GHz",
    architecture="x86_64",
    cores=2,
    cache_bytes={"L1d": 32768, "L2": 1 << 20},
    flags=("avx2", "fma"),
    memory_gib=24,
    virtualisation="kvm",
)


def test_the_key_is_a_folder_name_that_can_be_read() -> None:
    assert re.fullmatch(r"intel-xeon-cpu-2-80ghz-2c-24g-[0-9a-f]{8}", HARDWARE.key)
    assert replace(HARDWARE, processor="").key.startswith("x86_64-2c-24g-")


def test_other_hardware_has_another_key() -> None:
    changes = (
        {"cores": 4},
        {"flags": ("avx2",)},
        {"cache_bytes": {"L1d": 32768}},
        {"virtualisation": ""},
        {"memory_gib": 32},
    )
    keys = {HARDWARE.key, *(replace(HARDWARE, **change).key for change in changes)}
    assert len(keys) == len(changes) + 1


def test_conditions_and_software_do_not_change_the_key() -> None:
    one = MachineFingerprint(hardware=HARDWARE, conditions=Conditions(), software={})
    other = MachineFingerprint(
        hardware=replace(HARDWARE, cache_bytes={"L2": 1 << 20, "L1d": 32768}),
        conditions=Conditions(load_1min=3.0, governor="powersave", cpu_quota=1.5),
        software={"numpy": "2.4"},
    )
    assert one.key == other.key


def test_a_name_that_was_given_goes_before_the_hardwares_key() -> None:
    machine = MachineFingerprint(hardware=HARDWARE, conditions=Conditions(), software={}, identity="bench-1")
    assert machine.key == "bench-1"


@pytest.mark.parametrize("name", ["a", "bench-1", "CI_2.x", "1" * 64])
def test_a_name_is_short_and_fits_into_a_file_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("POOLBENCH_MACHINE", name)
    assert chosen_identity() == name


def test_no_name_is_given_by_an_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLBENCH_MACHINE", "")
    assert chosen_identity() == ""


def test_the_nearest_valid_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLBENCH_MACHINE", "my bench/1")
    with pytest.raises(UsageError, match=r"POOLBENCH_MACHINE is 'my bench/1', .* such as my-bench-1\.$"):
        chosen_identity()
