from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from poolbench.measure.schedule import block_order, turns

NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True)


@given(NAMES, st.integers(), st.integers(0, 100), st.integers(0, 100))
def test_a_block_is_a_palindrome_with_each_subject_once_each_way(names, seed, launch, block):
    order = block_order(names, seed=seed, launch=launch, block=block)
    assert order == order[::-1]
    assert Counter(order[: len(names)]) == Counter(names)


@given(NAMES, st.integers(), st.integers(0, 100), st.integers(0, 100))
def test_the_order_depends_on_the_arguments_alone(names, seed, launch, block):
    assert block_order(names, seed=seed, launch=launch, block=block) == block_order(
        list(names), seed=seed, launch=launch, block=block
    )


def test_a_circle_is_measured_as_if_alone():
    groups = turns("abcdefg", seed=1, launch=2, block=3, circles=["ab", "dc"])
    assert sorted(groups) == [("a", "b"), ("d", "c"), ("e", "f", "g")]


def test_circles_take_turns_in_any_order():
    firsts = {turns("abcd", seed=1, launch=n, block=0, circles=["ab", "cd"])[0] for n in range(30)}
    assert firsts == {("a", "b"), ("c", "d")}


def test_who_fell_out_of_a_circle_is_missed_by_nobody():
    assert set(turns("ac", seed=1, launch=0, block=0, circles=["ab", "de"])) == {("a",), ("c",)}


def test_no_subject_always_follows_the_same_neighbour():
    orders = {block_order("abcd", seed=1, launch=launch, block=0)[:4] for launch in range(60)}
    followers = Counter(order[index + 1] for order in orders for index in range(3) if order[index] == "a")
    assert set(followers) == set("bcd")


@given(st.integers(), st.integers(0, 100), st.integers(0, 50))
def test_two_mirrored_blocks_give_both_the_same_neighbours(seed, launch, stretch):
    slots: list[str] = []
    for block in (2 * stretch, 2 * stretch + 1):
        slots += block_order("ab", seed=seed, launch=launch, block=block, mirror=2)
    assert "".join(slots) in ("abbabaab", "baababba")
    followed = Counter(pairwise(slots))
    assert followed["a", "a"] == followed["b", "b"] == 1


def test_which_of_two_begins_a_mirrored_stretch_is_drawn():
    firsts = Counter(block_order("ab", seed=1, launch=n, block=0, mirror=2)[0] for n in range(60))
    assert min(firsts["a"], firsts["b"]) > 15
