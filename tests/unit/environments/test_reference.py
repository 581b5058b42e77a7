"""What is written behind a subject's @."""

import pytest

from poolbench.environments.reference import Kind, Reference, reference, settled
from poolbench.errors import UsageError
from poolbench.model.subject import parse_subject


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy@2.0.2", Reference(kind=Kind.RELEASE, text="2.0.2", framework="numpy")),
        (
            "torch:channels_last@2.12.0rc1+threads=2#2",
            Reference(kind=Kind.RELEASE, text="2.12.0rc1", framework="torch"),
        ),
        ("torch@2.12.0+cpu", Reference(kind=Kind.RELEASE, text="2.12.0+cpu", framework="torch")),
        ("strided@rev:HEAD~3", Reference(kind=Kind.REVISION, text="HEAD~3")),
        ("strided:avx2@rev:.", Reference(kind=Kind.REVISION, text=".")),
        (
            "numpy:windows@path:/opt/c++/bin/python#2",
            Reference(kind=Kind.PATH, text="/opt/c++/bin/python", framework="numpy"),
        ),
    ],
)
def test_it_is_a_release_a_revision_or_a_path(text, expected):
    subject = parse_subject(text)
    assert reference(subject) == expected
    assert str(subject) == text


def test_what_a_backend_needs_beside_its_framework_is_part_of_it():
    assert reference(parse_subject("onnxruntime@1.23.0")).companions == ("onnx",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numpy@newest", ["'newest'", "@1.2.3", "@rev:GIT", "@path:PYTHON"]),
        ("numpy@--index-url=x", ["@1.2.3"]),
        ("strided@rev:--output=x", ["@rev:GIT"]),
        ("strided@0.1.0", ["strided@rev:GIT"]),
        ("strided@path:/usr/bin/python3", ["strided@rev:GIT"]),
        ("torch@rev:main", ["comes from the package torch", "is poolbench", "--repo PATH"]),
        ("fake@rev:main", ["code of poolbench itself"]),
        ("limit@rev:main", ["Write 'limit'"]),
        ("fake@1.0", ["needs no framework"]),
    ],
)
def test_anything_else_is_refused_with_what_could_be_meant(text, words):
    with pytest.raises(UsageError) as caught:
        reference(parse_subject(text))
    assert all(word in str(caught.value) for word in [text, *words])


def test_a_path_is_made_absolute_but_no_link_is_followed_and_a_folder_means_its_interpreter(tmp_path, monkeypatch):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to("/usr/bin/env")
    monkeypatch.chdir(tmp_path)
    for text in ("numpy@path:venv", "numpy@path:venv/bin/python"):
        assert settled(parse_subject(text)).environment == f"path:{tmp_path}/venv/bin/python"
