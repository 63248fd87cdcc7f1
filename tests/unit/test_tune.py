from __future__ import annotations

import pytest

from dbrestore.tune import GIBIBYTE, Form, Machine, Setting, choose_settings, setting_lines, this_machine, undo_lines

MACHINE = Machine(16 * GIBIBYTE, 8)


def values(machine: Machine = MACHINE) -> dict[str, str]:
    return {setting.name: setting.value for setting in choose_settings(machine)}


def lines(form: Form, *, unsafe: bool = False) -> list[str]:
    return list(setting_lines(choose_settings(MACHINE), form, unsafe=unsafe))


@pytest.mark.parametrize(
    ("machine", "buffers", "build_memory", "workers"),
    [
        (Machine(GIBIBYTE // 4, 1), "128MB", "64MB", "2"),
        (MACHINE, "4096MB", "1024MB", "4"),
        (Machine(512 * GIBIBYTE, 96), "16384MB", "1024MB", "8"),
    ],
)
def test_memory_and_workers_follow_the_machine(machine: Machine, buffers: str, build_memory: str, workers: str) -> None:
    found = values(machine)
    assert found["shared_buffers"] == buffers
    assert found["maintenance_work_mem"] == build_memory
    assert found["max_parallel_maintenance_workers"] == workers


def test_no_wal_sender_is_left_where_wal_is_minimal() -> None:
    assert values()["wal_level"] == "minimal"
    assert values()["max_wal_senders"] == "0"


@pytest.mark.parametrize("form", Form)
def test_what_endangers_the_cluster_is_told_but_left_out_unless_it_is_asked_for(form: Form) -> None:
    comment = "--" if form is Form.SQL else "#"
    [left_out] = [line for line in lines(form) if "fsync" in line]
    assert left_out.startswith(f"{comment} left out, see --unsafe: fsync = off; DANGER: if the machine fails")
    unsafe = "\n".join(lines(form, unsafe=True))
    assert "left out" not in unsafe
    assert "DANGER" in unsafe


def test_each_form_is_written_as_the_server_takes_it() -> None:
    assert "wal_level = minimal" in lines(Form.CONF)
    assert "ALTER SYSTEM SET wal_level = 'minimal';" in lines(Form.SQL)
    compose = lines(Form.COMPOSE)
    assert compose[compose.index("  - wal_level=minimal") - 1] == "  - -c"


@pytest.mark.parametrize("form", Form)
def test_undo_names_every_setting(form: Form) -> None:
    text = "\n".join(undo_lines(choose_settings(MACHINE), form))
    assert [name for name in values() if name not in text] == []


def test_a_setting_alone_is_written_with_its_reason() -> None:
    [*_, comment, line] = setting_lines([Setting("port", "5433", "for fun")], Form.CONF)
    assert (comment, line) == ("# for fun", "port = 5433")


def test_this_machine_has_memory_and_cores() -> None:
    here = this_machine()
    assert here.memory > 0
    assert here.cores > 0
