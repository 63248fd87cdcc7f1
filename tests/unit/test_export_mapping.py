from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from dbrestore.errors import ExportError
from dbrestore.export.mapping import Mapping

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def _small_files() -> Iterator[None]:
    """The system takes 100,000 bytes of what is written to a file, and says so only by how many it took."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_pieces_are_one_after_the_other() -> None:
    mapping = Mapping.of_spooled([b"one", bytearray(b"two"), b"", bytes(300_000)])
    assert mapping.content.to_pybytes() == b"onetwo" + bytes(300_000)
    mapping.release()
    assert mapping.content.slice(0, 6).to_pybytes() == b"onetwo"


def test_nothing_is_no_error() -> None:
    assert Mapping.of_spooled([]).content.size == 0


@pytest.mark.usefixtures("_small_files")
@pytest.mark.parametrize("pieces", [[bytes(200_000)], [bytes(99_999), b"four"]])
def test_a_file_that_takes_a_part_of_what_is_written_is_an_error(pieces: list[bytes]) -> None:
    with pytest.raises(ExportError, match="the folder for temporary files"):
        Mapping.of_spooled(pieces)
