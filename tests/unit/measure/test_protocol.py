from __future__ import annotations

import os
import socket

import pytest

from poolbench.measure.protocol import Channel, ChannelClosedError, DeadlineError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    channels = Channel(ours), Channel(theirs)
    yield channels
    for channel in channels:
        channel.close()


def test_messages_arrive_whole_and_in_order(pair):
    ours, theirs = pair
    messages = [{"op": "slot", "loops": count, "text": "é\n"} for count in range(100)]
    for message in messages:
        ours.send(message)
    assert [theirs.receive() for _ in messages] == messages


def test_descriptors_come_along(pair):
    ours, theirs = pair
    read, write = os.pipe()
    ours.send({"op": "fork"}, (write,))
    os.close(write)
    message, fds = theirs.receive_with_fds(1)
    os.write(fds[0], b"through")
    assert (message, os.read(read, 100)) == ({"op": "fork"}, b"through")
    os.close(read)
    os.close(fds[0])


def test_a_closed_end_is_told_by_both_receiving_and_sending(pair):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(ChannelClosedError):
        ours.receive()
    with pytest.raises(ChannelClosedError):
        ours.receive_before(1.0)
    with pytest.raises(ChannelClosedError):
        ours.send({"op": "slot"})


def test_silence_is_told_after_the_deadline_and_watched_until_then(pair):
    watched = []
    with pytest.raises(DeadlineError):
        pair[0].receive_before(0.05, watch=lambda: watched.append(1), watch_every_s=0.01)
    assert watched


def test_what_is_printed_without_end_neither_blocks_nor_delays_the_deadline(pair):
    read, write = os.pipe()
    os.write(write, b"x" * 100)  # never drained: select keeps reporting it
    drained = []
    with pytest.raises(DeadlineError):
        pair[0].receive_before(0.05, drain=lambda: drained.append(1), drain_fd=read, watch_every_s=0.01)
    assert len(drained) > 1
    os.close(read)
    os.close(write)


def test_a_message_in_pieces_is_put_together():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.sendall(b'{"ok":')
    with pytest.raises(DeadlineError):
        channel.receive_before(0.02)
    theirs.sendall(b"true}\n")
    assert channel.receive_before(1.0) == {"ok": True}
    channel.close()
    theirs.close()
