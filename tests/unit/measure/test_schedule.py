from __future__ import annotations

from collections import Counter

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
