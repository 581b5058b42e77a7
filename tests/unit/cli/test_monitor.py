"""What the self-test prints, and by which code it ends. Nothing is measured here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import poolbench.api.monitor
from poolbench.cli.app import app
from poolbench.errors import UsageError
from poolbench.observe.monitor.torch_self_test import Round, SelfTest, _overhead, growth_of

GOOD = SelfTest(
    steps=10_000, sampled=98, fraction=0.01, step_s=0.002, overhead=0.003, low=0.001, high=0.005,
    hooks=0.002, samples=0.001,
    sampled_step_s=2e-4, control=0.0, control_low=-0.001, control_high=0.001, own_share=0.002,
    growth_bytes=4096.0, growth_low=-8192.0, growth_high=16384.0, threads_left=0, hooks_left=0,
    files_left=0, problem="",
)  # fmt: skip


@pytest.fixture
def ended(monkeypatch):
    def run(found, *options):
        monkeypatch.setattr(poolbench.api.monitor, "self_test", lambda steps, fraction: found)
        return CliRunner().invoke(app, ["monitor", "--self-test", *options])

    return run


def test_a_good_one_prints_its_interval_and_ends_well(ended):
    done = ended(GOOD)
    assert done.exit_code == 0
    assert "+0.30% (+0.10% to +0.50%)" in done.stdout and "0 threads, 0 hooks" in done.stdout


@pytest.mark.parametrize(
    "change", [{"high": 0.011}, {"threads_left": 1}, {"hooks_left": 2}, {"problem": "JsonLines failed: OSError: full"}]
)
def test_what_breaks_a_promise_is_exit_code_3(ended, change):
    done = ended(replace(GOOD, **change), "--json")
    assert done.exit_code == 3 and json.loads(done.stdout)["is_good"] is False


def rounds(count=60):
    """Steps of 1 ms; hooks take 4 µs, a sampled step 1 ms more, the step behind it 100 µs."""
    return [
        Round(
            plain_ns=(1e6, 1e6),
            hooked_ns=[1_004_000] * 3,
            sampled_ns=[2_004_000] if place % 5 == 0 else [],
            next_ns=[1_104_000] if place % 5 == 0 else [],
        )
        for place in range(count)
    ]


def test_few_steps_that_are_sampled_count_as_often_as_they_come():
    half, hooks, samples = _overhead(rounds(), 1e6, 0.01)
    assert (hooks, samples, half) == pytest.approx((0.004, 0.011, 0.0), abs=1e-9)


def test_where_every_step_is_sampled_hooks_count_among_the_samples():
    every = [replace(each, hooked_ns=[], sampled_ns=[2_004_000] * 5, next_ns=[]) for each in rounds()]
    assert _overhead(every, 1e6, 1.0) == pytest.approx((0.0, 0.0, 1.004), abs=1e-9)


def test_growth_is_told_apart_from_what_an_allocator_takes_and_gives_back():
    steady = [(place % 7) * 65536 for place in range(2000)]
    growth, half = growth_of(steady)
    assert growth - half <= 0 <= growth + half and half < 65536
    growth, half = growth_of([size + 1000 * place for place, size in enumerate(steady)])
    assert growth == pytest.approx(1000 * 2000 * 19 / 20, rel=0.05) and growth - half > 0


def test_without_a_sampled_step_nothing_is_promised():
    half, _, _ = _overhead([replace(each, sampled_ns=[]) for each in rounds()], 1e6, 0.01)
    assert half == float("inf")


def test_without_the_option_it_says_how_a_model_is_watched():
    done = CliRunner().invoke(app, ["monitor"])
    assert isinstance(done.exception, UsageError) and "poolbench.monitor(model" in str(done.exception)
