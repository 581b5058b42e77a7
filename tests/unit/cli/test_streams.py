"""Text for streams that lack a sign, and writing to what cannot be written to."""

from __future__ import annotations

import codecs
import os
import sys
import threading

import pytest

from poolbench.cli.streams import READABLE, readable, unfailing_streams


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2 × 3 ± 1 – 4 µs, …", b"2 x 3 +/- 1 - 4 us, ..."),
        ("10⁹ bytes, χ² ≠ 5 ≤ 6", b"10^9 bytes, chi^2 != 5 <= 6"),
        ("Größe\u00a0ça, ﬁn", b"Grosse ca, fin".replace(b"ss", b"\\xdf")),
        ("½ 池 🟢", b"\\xbd \\u6c60 \\U0001f7e2"),
        ("m\udcffne", b"m\xffne"),
    ],
)
def test_what_ascii_lacks_is_likened_or_escaped_and_never_mistaken(text: str, written: bytes) -> None:
    codecs.register_error(READABLE, readable)
    assert text.encode("ascii", READABLE) == written


def test_utf_8_writes_all_text_as_it_is() -> None:
    codecs.register_error(READABLE, readable)
    assert "× 池 \udcff".encode("utf-8", READABLE) == "× 池 ".encode() + b"\xff"


def test_a_pipe_that_is_full_and_does_not_block_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = "line\n" * 100_000
    received: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reading, 1 << 16):
            received.append(chunk)

    thread = threading.Thread(target=read)
    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        thread.start()
        with unfailing_streams() as lost:
            sys.stdout.write(text)
    thread.join()
    os.close(reading)
    assert b"".join(received).decode() == text
    assert not lost.why


def test_streams_are_what_they_were_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with unfailing_streams() as lost:
        print("told")
    assert (sys.stdout, sys.stderr) == before and not lost.why
    assert capsys.readouterr().out == "told\n"
