import re
from dataclasses import replace

from poolbench.model.machine import Conditions, Hardware, MachineFingerprint

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
        conditions=Conditions(load_1min=3.0, governor="powersave"),
        software={"numpy": "2.4"},
    )
    assert one.key == other.key
