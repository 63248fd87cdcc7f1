"""What docker-compose.yml and Dockerfile say, done without Docker: each command is run, in the environment it gets."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dbrestore.testing.compare import differences
from dbrestore.testing.databases import Database
from dbrestore.testing.postgres import PostgresServer
from dbrestore.testing.unprivileged import server_environment
from tests.acceptance.commands import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.testing.s3 import S3Server

pytestmark = pytest.mark.timeout(600)  # several commands each, on a machine that may be busy

REPOSITORY = Path(__file__).parents[2]
COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}|\$\$")


def interpolated(text: str) -> str:
    """What Compose makes of a file where no variable is set."""
    return VARIABLE.sub(lambda found: "$" if found[0] == "$$" else found[2], text)


COMPOSE: dict[str, Any] = yaml.safe_load(interpolated(COMPOSE_FILE.read_text()))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = re.sub(r"\\\n", " ", (REPOSITORY / "Dockerfile").read_text())


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of the Dockerfile, in order."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def compose_server() -> Iterator[PostgresServer]:
    """A server with the settings of the service ``db`` that has run its script."""
    settings = dict(word.removeprefix("--").split("=", 1) for word in SERVICES["db"]["command"][1:])
    with PostgresServer.start(settings | {"shared_buffers": "32MB"}) as server:
        name = SERVICES["db"]["environment"]["POSTGRES_DB"]
        server.execute(f"CREATE DATABASE {name}")
        script = REPOSITORY / "docker" / "sample.sql"
        subprocess.run(
            [server.tool("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", server.dsn(name), "-f", script],
            check=True, env=server_environment(), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield server


def environment(service: str, server: PostgresServer, s3: S3Server) -> dict[str, str]:
    """A service's environment, with other names for the two servers."""
    told = {name: str(value) for name, value in SERVICES[service]["environment"].items()}
    assert told["DBRESTORE_DB_HOST"] in SERVICES
    assert told["DBRESTORE_AWS_ENDPOINT_URL"] == "http://s3:9000"
    told |= {
        "DBRESTORE_DB_HOST": "127.0.0.1",
        "DBRESTORE_DB_PORT": str(server.port),
        "DBRESTORE_AWS_ENDPOINT_URL": s3.url,
    }
    return os.environ | told | {"PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"}


def start(service: str, server: PostgresServer, s3: S3Server, *words: str) -> subprocess.CompletedProcess[str]:
    """What ``docker compose run`` starts in the container of a service that is made from the Dockerfile.

    ``words`` stand in place of the service's own command.
    """
    entry_point = SERVICES[service].get("entrypoint") or json.loads(instructions("ENTRYPOINT")[-1])
    return subprocess.run(
        [*entry_point, *(words or SERVICES[service]["command"])],
        env=environment(service, server, s3), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("text", [COMPOSE_FILE.read_text(), interpolated(COMPOSE_FILE.read_text())])
def test_the_file_is_as_the_compose_specification_wants_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_service_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            is_healthy = how["condition"] == "service_healthy"
            assert is_healthy == ("healthcheck" in SERVICES[needed]), f"{name} waits for {needed}"
    assert set(SERVICES["dbrestore"]["depends_on"]) == {"db", "export"}
    assert set(SERVICES["export"]["depends_on"]) == {"db", "bucket"}


def test_what_the_page_and_the_file_tell_to_type_names_services() -> None:
    told = (REPOSITORY / "docs" / "docker.md").read_text() + COMPOSE_FILE.read_text()
    named = re.findall(r"docker compose (?:run --rm|exec) (\w+)", told)
    assert named
    assert set(named) <= set(SERVICES)


def test_what_is_mounted_is_there() -> None:
    named = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert all((REPOSITORY / name).exists() for name in named if name.startswith("."))


def test_the_servers_version_is_a_variable_and_each_version_has_data_of_its_own() -> None:
    told = yaml.safe_load(COMPOSE_FILE.read_text())["services"]["db"]
    assert told["image"] == "postgres:${POSTGRES_VERSION:-17}"
    assert told["environment"]["PGDATA"].endswith("/${POSTGRES_VERSION:-17}")


def test_the_health_check_of_the_server_is_a_command_that_works(compose_server: PostgresServer) -> None:
    kind, program, *arguments = SERVICES["db"]["healthcheck"]["test"]
    assert kind == "CMD"
    command = [str(compose_server.tool(program)), *arguments, f"--port={compose_server.port}"]
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=server_environment()).returncode == 0


async def test_the_sample_is_exported_and_restored_and_all_of_it_can_be_repeated(
    compose_server: PostgresServer, s3: S3Server
) -> None:
    assert SERVICES["bucket"]["command"] == ["mb", "--ignore-existing", "s3/exports"]
    s3.make_bucket("exports")
    try:
        for _ in range(2):
            exported = start("export", compose_server, s3)
            assert exported.returncode == 0, exported.stderr
            restored = start("dbrestore", compose_server, s3)
            assert restored.returncode == 0, restored.stderr
        planned = start("dbrestore", compose_server, s3, "plan", "s3://exports/shop")
        assert planned.returncode == 0, planned.stderr
    finally:
        s3.remove_bucket("exports")
    source, target = Database(compose_server, "shop_source"), Database(compose_server, "shop")
    async with source.connect() as ours, target.connect() as theirs:
        assert await differences(ours, theirs) == []
    assert int(target.execute('SELECT count(*) FROM "PaymentMethods"')) > 0


def test_the_image_runs_the_command_itself_as_an_ordinary_user() -> None:
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["dbrestore"]  # a shell would not pass signals on
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert int(instructions("USER")[-1].partition(":")[0]) > 0


def test_the_image_is_made_of_files_that_are_there_and_not_ignored() -> None:
    rules = (REPOSITORY / ".dockerignore").read_text().split()
    assert rules[0] == "*"
    copied = [name for line in instructions("COPY") if "--from" not in line for name in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (REPOSITORY / name).exists()
        assert any(fnmatch.fnmatch(name, rule.removeprefix("!")) for rule in rules if rule.startswith("!"))
