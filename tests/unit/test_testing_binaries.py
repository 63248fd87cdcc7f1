from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dbrestore.testing.binaries import BINDIR_VARIABLE, find_binaries, find_tool, holds_server
from dbrestore.testing.errors import EmbeddedServerError

if TYPE_CHECKING:
    from pathlib import Path


def put_programs(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


def test_the_variable_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put_programs(tmp_path / "bin", "initdb", "postgres", "pg_ctl")
    monkeypatch.setenv(BINDIR_VARIABLE, str(folder))
    assert find_binaries() == folder


def test_a_variable_that_names_no_server_is_an_error_that_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put_programs(tmp_path / "bin", "initdb", "psql")
    monkeypatch.setenv(BINDIR_VARIABLE, str(folder))
    with pytest.raises(EmbeddedServerError) as caught:
        find_binaries()
    assert str(caught.value) == f"{BINDIR_VARIABLE}={folder}: no program postgres, pg_ctl there"
    assert caught.value.hint is not None


def test_without_the_variable_some_server_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BINDIR_VARIABLE, raising=False)
    assert holds_server(find_binaries())


def test_a_program_that_may_not_be_run_is_no_program(tmp_path: Path) -> None:
    folder = put_programs(tmp_path / "bin", "initdb", "postgres", "pg_ctl")
    (folder / "postgres").chmod(0o644)
    assert not holds_server(folder)


def test_a_client_beside_the_server_is_preferred(tmp_path: Path) -> None:
    folder = put_programs(tmp_path / "bin", "psql")
    assert find_tool("psql", folder) == folder / "psql"


def test_a_client_that_the_server_lacks_is_found_elsewhere(tmp_path: Path) -> None:
    psql = find_tool("psql", tmp_path)
    assert psql.parent != tmp_path
    assert os.access(psql, os.X_OK)


def test_a_client_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no pg_nonsense in"):
        find_tool("pg_nonsense", tmp_path)
