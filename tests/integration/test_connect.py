from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from dbrestore.errors import ConnectError, DbrestoreError, UsageError
from dbrestore.target.connect import SESSION_SETTINGS, ConnectionSettings, make_durable, open_pool, transaction
from tests.integration.owner import connected, create_owner
from tests.integration.round_trip import wait_for_sessions
from tests.passwords import demand_password

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dbrestore.testing.databases import Database

SECRET = "hunter2"


async def who(settings: ConnectionSettings) -> tuple[str, str]:
    """The database and the role of a connection."""
    async with open_pool(settings, 1) as pool:
        database, role = await pool.fetchrow("SELECT current_database(), current_user")
        return database, role


async def failure(settings: ConnectionSettings) -> DbrestoreError:
    with pytest.raises(DbrestoreError) as caught:
        await who(settings)
    return caught.value


def of(dsn: str) -> ConnectionSettings:
    return ConnectionSettings(SecretStr(dsn))


def environment(monkeypatch: pytest.MonkeyPatch, **variables: object) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


@pytest.fixture
def with_password(database: Database) -> str:
    """A role, named like the database, that has to prove with SECRET who it is."""
    return demand_password(database, SECRET)


async def test_a_dsn_is_enough(database: Database) -> None:
    assert await who(of(database.dsn)) == (database.name, "postgres")


async def test_each_part_of_the_address_can_be_given_alone(database: Database) -> None:
    port = database.server.port
    settings = ConnectionSettings(host="127.0.0.1", port=port, user="postgres", database=database.name)
    assert await who(settings) == (database.name, "postgres")


async def test_a_part_wins_over_the_dsn(database: Database) -> None:
    settings = ConnectionSettings(SecretStr(database.server.dsn("elsewhere")), database=database.name)
    assert await who(settings) == (database.name, "postgres")


async def test_a_host_may_be_the_folder_of_a_socket(database: Database) -> None:
    server = database.server
    settings = ConnectionSettings(
        host=str(server.socket_dir), port=server.port, user="postgres", database=database.name
    )
    assert await who(settings) == (database.name, "postgres")


async def test_the_environment_of_libpq_is_enough(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    port = database.server.port
    environment(
        monkeypatch, PGHOST="127.0.0.1", PGPORT=port, PGUSER="postgres", PGDATABASE=database.name, PGSSLMODE="disable"
    )
    assert await who(ConnectionSettings()) == (database.name, "postgres")


def write_service(folder: Path, database: Database, **more: str) -> Path:
    file = folder / "services.conf"
    values = {"host": "127.0.0.1", "port": database.server.port, "user": "postgres", "dbname": database.name} | more
    file.write_text("[shop]\n" + "".join(f"{name}={value}\n" for name, value in values.items()))
    return file


async def test_a_service_may_be_named_by_the_environment(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, PGSERVICEFILE=write_service(tmp_path, database), PGSERVICE="shop", PGDATABASE="elsewhere")
    assert await who(ConnectionSettings()) == (database.name, "postgres")


async def test_a_service_may_be_named_by_the_dsn(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, PGSERVICEFILE=write_service(tmp_path, database), PGSERVICE="elsewhere")
    assert await who(of("postgresql://?service=shop")) == (database.name, "postgres")


async def test_a_service_that_is_not_there_is_an_error(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, PGSERVICEFILE=write_service(tmp_path, database), PGSERVICE="store")
    error = await failure(of(database.dsn))
    assert isinstance(error, UsageError)
    assert error.message == f"the service file {tmp_path / 'services.conf'} has no service store"


async def test_a_service_that_cannot_be_read_is_an_error_without_its_password(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_service(tmp_path, database, password=f"%{SECRET}")
    environment(monkeypatch, PGSERVICEFILE=file, PGSERVICE="shop")
    error = await failure(ConnectionSettings())
    assert error.message == f"the service shop of {file} cannot be read"
    assert SECRET not in f"{error.__cause__}"


async def test_the_password_may_be_in_the_dsn(database: Database, with_password: str) -> None:
    dsn = database.server.dsn(database.name, with_password).replace("@", f":{SECRET}@")
    assert await who(of(dsn)) == (database.name, with_password)


async def test_the_password_may_be_in_the_environment(
    database: Database, with_password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, PGPASSWORD=SECRET)
    assert await who(of(database.server.dsn(database.name, with_password))) == (database.name, with_password)


async def test_the_password_may_be_in_a_password_file(
    database: Database, with_password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"127.0.0.1:{database.server.port}:*:{with_password}:{SECRET}\n")
    file.chmod(0o600)
    environment(monkeypatch, PGPASSFILE=file)
    assert await who(of(database.server.dsn(database.name, with_password))) == (database.name, with_password)


async def test_a_wrong_password_is_an_error_that_does_not_show_it(database: Database, with_password: str) -> None:
    dsn = database.server.dsn(database.name, with_password).replace("@", ":guessed@")
    error = await failure(of(dsn))
    assert isinstance(error, ConnectError)
    assert error.message == (
        f"connecting to the target at 127.0.0.1:{database.server.port}: "
        f'password authentication failed for user "{with_password}"'
    )


async def test_a_missing_password_is_an_error_that_says_so(
    database: Database, with_password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, PGPASSFILE=tmp_path / "none")
    error = await failure(of(database.server.dsn(database.name, with_password)))
    assert isinstance(error, ConnectError)
    assert "password" in error.message


async def test_a_database_that_is_not_there_is_an_error_that_names_it(database: Database) -> None:
    error = await failure(of(database.server.dsn("nowhere")))
    assert isinstance(error, ConnectError)
    assert error.message.endswith('database "nowhere" does not exist')


async def test_a_role_that_is_not_there_is_an_error_that_names_it(database: Database) -> None:
    error = await failure(of(database.server.dsn(database.name, "nobody_at_all")))
    assert isinstance(error, ConnectError)
    assert error.message.endswith('role "nobody_at_all" does not exist')


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:5432"])
async def test_a_server_that_is_not_there_is_an_error_with_its_address(address: str) -> None:
    error = await failure(of(f"postgresql://me:{SECRET}@{address}/shop"))
    assert isinstance(error, ConnectError)
    assert error.message.startswith(f"connecting to the target at {address}: ")
    assert error.hint is not None
    assert "--dsn" in error.hint


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:a#{SECRET}@127.0.0.1/shop",
        f"postgresql://me:a/{SECRET}@127.0.0.1/shop",
        f"postgresql://me:1/{SECRET}@127.0.0.1/shop",
        f"postgresql://me:a?{SECRET}@127.0.0.1/shop",
        f"postgresql://me:a@{SECRET}@127.0.0.1/shop",
        f"postgresql://me:[{SECRET}@127.0.0.1/shop",
        f"postgresql://me:{SECRET}",
        f"postgresql://me@127.0.0.1/shop?{SECRET}",
        f"{SECRET}:x@127.0.0.1/shop",
        f"host=127.0.0.1 password={SECRET}",
    ],
)
async def test_a_dsn_that_cannot_be_read_is_an_error_without_a_word_of_it(dsn: str) -> None:
    error = await failure(of(dsn))
    assert isinstance(error, UsageError)
    assert error.message == "the DSN cannot be read"
    assert SECRET not in f"{error.hint} {error.__cause__}"


@pytest.mark.parametrize(("name", "value"), [("PGPORT", "many"), ("PGSSLMODE", "perhaps")])
async def test_an_environment_that_makes_no_sense_is_wrong_usage(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, **{"PGHOST": "127.0.0.1", "PGUSER": "somebody", name: value})
    error = await failure(ConnectionSettings())
    assert isinstance(error, UsageError)
    assert error.message.startswith("the connection settings make no sense: ")


async def test_a_user_without_a_name_has_to_name_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    def getuser() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", getuser)
    error = await failure(ConnectionSettings(host="127.0.0.1"))
    assert isinstance(error, UsageError)
    assert "PGUSER" in (error.hint or "")


async def test_a_session_does_not_depend_on_the_settings_of_role_and_database(database: Database) -> None:
    for setting in ("datestyle = 'German'", "timezone = 'Asia/Tokyo'", "statement_timeout = '1s'"):
        database.execute(f"ALTER DATABASE {database.name} SET {setting}")
    async with open_pool(of(database.dsn), 1) as pool:
        shown = {name: await pool.fetchval(f"SHOW {name}") for name in SESSION_SETTINGS}
    assert shown["datestyle"].startswith("ISO")
    assert (shown["timezone"], shown["statement_timeout"], shown["synchronous_commit"]) == ("UTC", "0", "off")


async def fail_while_connected(settings: ConnectionSettings) -> None:
    async with open_pool(settings, 2) as pool:
        await pool.fetchval("SELECT 1")
        raise ZeroDivisionError


async def test_nothing_stays_connected_after_a_failure(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await fail_while_connected(of(database.dsn))
    await wait_for_sessions(database, 0)


async def test_a_copy_whose_source_fails_after_the_server_refused_a_row_ends(database: Database) -> None:
    database.execute("CREATE TABLE t (n int)")

    async def source() -> AsyncIterator[bytes]:
        yield b"no number\n"
        await asyncio.sleep(0.2)
        raise RuntimeError("the source failed as well")

    async with open_pool(of(database.dsn), 1) as pool, pool.acquire() as connection:
        with pytest.raises(RuntimeError, match="as well"):
            async with asyncio.timeout(10), transaction(connection):
                await connection.copy_to_table("t", source=source(), format="text")
    await wait_for_sessions(database, 0)


async def test_what_was_committed_before_is_on_disk_when_it_has_been_made_durable(database: Database) -> None:
    role = create_owner(database, "CREATE TABLE items (id int);")
    async with connected(database, role) as connection, database.connect() as superuser:
        for _ in range(5):
            await connection.execute("INSERT INTO items SELECT generate_series(1, 1000)")
            written = await superuser.fetchval("SELECT pg_current_wal_insert_lsn()")
            await make_durable(connection)
            assert await superuser.fetchval("SELECT pg_current_wal_flush_lsn() >= $1", written)
