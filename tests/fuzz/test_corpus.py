"""Every input of the corpus, and every one that once broke something, through the modules as built here."""

from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pytest

from tests.fuzz import CORPUS_FILES, CORPUS_OCTETS, HERE, LONGEST, SHARE


def inputs(kind: str, target: str) -> list[Path]:
    return sorted((HERE / kind / target).glob("*"))


def crashes() -> list[tuple[str, Path]]:
    return [(target, path) for target in LONGEST for path in inputs("crashes", target)]


@pytest.mark.parametrize("target", LONGEST)
def test_corpus(target: str) -> None:
    one = import_module(f"tests.fuzz.{target}").one
    paths = inputs("corpus", target)
    assert paths, "a target without a corpus begins from nothing"
    for path in paths:
        try:
            one(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{target} {path.name}: {error!r}") from error


@pytest.mark.parametrize(("target", "path"), crashes(), ids=lambda word: getattr(word, "name", word))
def test_what_once_broke_does_not(target: str, path: Path) -> None:
    import_module(f"tests.fuzz.{target}").one(path.read_bytes())


def test_files_are_named_by_their_sha256_and_are_few() -> None:
    corpus = [path for target in LONGEST for path in inputs("corpus", target)]
    for path in [*corpus, *(path for _, path in crashes())]:
        assert path.name == sha256(path.read_bytes()).hexdigest()
    assert len(corpus) <= CORPUS_FILES
    assert sum(path.stat().st_size for path in corpus) <= CORPUS_OCTETS


def test_every_target_has_its_part_of_the_time() -> None:
    assert SHARE.keys() == LONGEST.keys()
