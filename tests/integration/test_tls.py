from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from dbrestore.errors import ConnectError, DbrestoreError, UsageError
from dbrestore.target.connect import ConnectionSettings, open_pool
from dbrestore.target.tls import RDS_BUNDLE, TlsMode, TlsOptions
from dbrestore.testing.postgres import PostgresServer
from tests.integration.certificates import Authority, Issued

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SURE = [TlsMode.REQUIRE, TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL]
RULES = """
hostssl all tls_only all trust
hostnossl all plain_only all trust
hostssl all with_certificate all cert
host all postgres all trust
local all postgres trust
"""
PASSPHRASE = "open sesame"


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A server whose certificate is for localhost, not for 127.0.0.1."""

    server: PostgresServer
    authority: Authority
    certificate: Issued

    @property
    def root(self) -> str:
        return str(self.authority.root)

    def settings(
        self, mode: str | None = None, root: str | None = None, *, user: str = "postgres", host: str = "localhost"
    ) -> ConnectionSettings:
        """With the mode and the root certificate as options."""
        options = TlsOptions(TlsMode(mode) if mode else None, root)
        return ConnectionSettings(host=host, port=self.server.port, user=user, database="postgres", tls=options)

    def dsn(self, **parameters: str) -> ConnectionSettings:
        """With parameters in the DSN."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return ConnectionSettings(SecretStr(f"postgresql://postgres@localhost:{self.server.port}/postgres?{query}"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    authority = Authority(tmp_path_factory.mktemp("certificates"), "authority")
    issued = authority.issue("server", "localhost")
    files = {
        "server.crt": issued.certificate.read_text(),
        "server.key": issued.key.read_text(),
        "root.crt": authority.root.read_text(),
        "pg_hba.conf": RULES,
    }
    with PostgresServer.start() as server:
        for name, text in files.items():  # written by the server, whose own they have to be
            server.execute(
                f"CREATE TEMP TABLE content AS SELECT unnest(string_to_array('{text}', E'\\n'));"
                f"""DO $$ BEGIN EXECUTE format('COPY content TO PROGRAM %L',
                    format('umask 077; cat > %L', current_setting('data_directory') || '/{name}')); END $$"""
            )
        server.execute(
            """
            CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN; CREATE ROLE with_certificate LOGIN;
            ALTER SYSTEM SET ssl = on;
            ALTER SYSTEM SET ssl_ca_file = 'root.crt';
            SELECT pg_reload_conf();
            """
        )
        while server.execute("SHOW ssl") != "on":
            pass
        yield TlsServer(server, authority, issued)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the folder that libpq looks into."""
    folder = tmp_path / "home" / ".postgresql"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder.parent))
    return folder


async def is_encrypted(settings: ConnectionSettings) -> bool:
    async with open_pool(settings, 1) as pool:
        found: bool = await pool.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return found


async def refusal(settings: ConnectionSettings) -> DbrestoreError:
    with pytest.raises(DbrestoreError) as caught:
        await is_encrypted(settings)
    return caught.value


@pytest.mark.parametrize("mode", list(TlsMode))
async def test_each_mode_works_with_a_server_that_has_a_trusted_certificate(tls: TlsServer, mode: TlsMode) -> None:
    encrypted = mode not in {TlsMode.DISABLE, TlsMode.ALLOW}
    assert await is_encrypted(tls.settings(mode, tls.root)) is encrypted


async def test_without_a_mode_tls_is_preferred(tls: TlsServer) -> None:
    assert await is_encrypted(tls.settings())
    assert not await is_encrypted(tls.settings(user="plain_only"))


async def test_what_the_server_wants_is_allowed(tls: TlsServer) -> None:
    assert await is_encrypted(tls.settings("allow", user="tls_only"))
    assert not await is_encrypted(tls.settings("allow", user="plain_only"))


async def test_a_server_that_wants_tls_refuses_to_do_without(tls: TlsServer) -> None:
    error = await refusal(tls.settings("disable", user="tls_only"))
    assert isinstance(error, ConnectError)
    assert error.hint is not None
    assert "--db-sslmode require" in error.hint


@pytest.mark.parametrize("mode", SURE)
async def test_a_server_without_tls_is_refused_where_that_is_required(
    server: PostgresServer, tls: TlsServer, mode: TlsMode
) -> None:
    error = await refusal(replace(tls.settings(mode, tls.root), port=server.port))
    assert isinstance(error, ConnectError)
    assert "rejected SSL upgrade" in error.message
    assert error.hint is not None
    assert "does not speak TLS" in error.hint


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
async def test_a_server_without_tls_will_do_where_that_is_not_required(
    server: PostgresServer, tls: TlsServer, mode: str
) -> None:
    assert not await is_encrypted(replace(tls.settings(mode), port=server.port))


@pytest.mark.parametrize("mode", SURE)
async def test_a_certificate_of_another_authority_is_refused(tls: TlsServer, mode: TlsMode, tmp_path: Path) -> None:
    error = await refusal(tls.settings(mode, str(Authority(tmp_path, "other").root)))
    assert isinstance(error, ConnectError)
    assert "the server's certificate is not trusted: " in error.message
    assert error.hint is not None
    assert RDS_BUNDLE in error.hint


async def test_a_certificate_of_another_host_is_refused_in_full(tls: TlsServer) -> None:
    assert await is_encrypted(tls.settings("verify-ca", tls.root, host="127.0.0.1"))
    error = await refusal(tls.settings("verify-full", tls.root, host="127.0.0.1"))
    assert isinstance(error, ConnectError)
    assert "mismatch" in error.message
    assert error.hint is not None
    assert "verify-ca" in error.hint


async def test_a_root_certificate_that_is_an_option_is_looked_at_in_full(tls: TlsServer) -> None:
    assert await is_encrypted(tls.settings(root=tls.root))
    assert "mismatch" in (await refusal(tls.settings(root=tls.root, host="127.0.0.1"))).message


async def test_any_certificate_will_do_where_encryption_is_required_and_no_root_is_known(tls: TlsServer) -> None:
    assert await is_encrypted(tls.settings("require", host="127.0.0.1"))


async def test_a_root_in_the_home_makes_required_encryption_verified(tls: TlsServer, home: Path) -> None:
    (home / "root.crt").write_bytes(Authority(home, "other").root.read_bytes())
    assert "not trusted" in (await refusal(tls.settings("require"))).message
    (home / "root.crt").write_bytes(tls.authority.root.read_bytes())
    assert await is_encrypted(tls.settings("require"))
    assert await is_encrypted(tls.settings("verify-full"))


async def test_verifying_needs_a_root_certificate(tls: TlsServer) -> None:
    error = await refusal(tls.settings("verify-full"))
    assert isinstance(error, UsageError)
    assert error.hint is not None
    assert RDS_BUNDLE in error.hint


@pytest.mark.parametrize("mode", SURE)
async def test_a_root_certificate_that_is_named_has_to_be_there(tls: TlsServer, mode: str, tmp_path: Path) -> None:
    error = await refusal(tls.settings(mode, str(tmp_path / "none.pem")))
    assert isinstance(error, UsageError)
    assert error.message == f"the root certificate {tmp_path / 'none.pem'} cannot be read: No such file or directory"


async def test_a_root_certificate_has_to_be_one(tls: TlsServer, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    error = await refusal(tls.settings("verify-ca", str(tmp_path / "text.pem")))
    assert error.message == f"the root certificate {tmp_path / 'text.pem'} cannot be used"


async def test_the_system_does_not_trust_the_authority_of_a_test(tls: TlsServer) -> None:
    assert "not trusted" in (await refusal(tls.settings(root="system"))).message


async def test_the_system_is_asked_where_it_trusts_the_authority(
    tls: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", tls.root)  # where OpenSSL looks for what the system trusts
    assert await is_encrypted(tls.settings(root="system"))


async def test_what_anybody_has_a_certificate_of_is_verified_in_full_only(tls: TlsServer) -> None:
    error = await refusal(tls.settings("verify-ca", "system"))
    assert isinstance(error, UsageError)
    assert "too weak" in error.message


async def test_the_dsn_says_the_same_as_options(tls: TlsServer) -> None:
    assert await is_encrypted(tls.dsn(sslmode="verify-full", sslrootcert=tls.root))
    assert "cannot be read" in (await refusal(tls.dsn(sslmode="verify-full", sslrootcert="/none.pem"))).message
    assert "there is no sslmode maybe" in (await refusal(tls.dsn(sslmode="maybe"))).message


async def test_an_option_wins_over_the_dsn(tls: TlsServer) -> None:
    settings = replace(tls.dsn(sslmode="disable", sslrootcert="/none.pem"), tls=TlsOptions(TlsMode.PREFER, tls.root))
    assert await is_encrypted(settings)


async def test_the_environment_says_the_same_as_options(tls: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", tls.root)
    assert await is_encrypted(tls.settings())
    assert "mismatch" in (await refusal(tls.settings(host="127.0.0.1"))).message


async def test_a_service_says_the_same_as_options(
    tls: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services").write_text(f"[shop]\nsslmode=verify-full\nsslrootcert={tls.root}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "shop")
    assert "mismatch" in (await refusal(tls.settings(host="127.0.0.1"))).message
    assert await is_encrypted(tls.settings())


async def test_a_revoked_certificate_is_refused(tls: TlsServer) -> None:
    verified = {"sslmode": "verify-full", "sslrootcert": tls.root}
    assert await is_encrypted(tls.dsn(**verified, sslcrl=str(tls.authority.revoke())))
    error = await refusal(tls.dsn(**verified, sslcrl=str(tls.authority.revoke(tls.certificate))))
    assert "certificate revoked" in error.message


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
async def test_a_client_may_prove_who_it_is_with_a_certificate(tls: TlsServer, mode: str) -> None:
    issued = tls.authority.issue("with_certificate")
    options = TlsOptions(TlsMode(mode), tls.root, str(issued.certificate), str(issued.key))
    assert await is_encrypted(replace(tls.settings(user="with_certificate"), tls=options))


async def test_a_client_certificate_may_lie_in_the_home(tls: TlsServer, home: Path) -> None:
    issued = tls.authority.issue("with_certificate")
    issued.certificate.rename(home / "postgresql.crt")
    issued.key.rename(home / "postgresql.key")
    assert await is_encrypted(tls.settings("require", user="with_certificate"))
    assert await is_encrypted(tls.settings(user="with_certificate"))


async def test_a_client_without_a_certificate_is_told_how_to_name_one(tls: TlsServer) -> None:
    error = await refusal(tls.settings("require", user="with_certificate"))
    assert isinstance(error, ConnectError)
    assert error.hint is not None
    assert "--db-sslcert" in error.hint


async def test_a_key_may_have_a_passphrase(tls: TlsServer) -> None:
    issued = tls.authority.issue("with_certificate", passphrase=PASSPHRASE.encode())
    files = {"sslmode": "require", "sslcert": str(issued.certificate), "sslkey": str(issued.key)}
    settings = replace(tls.dsn(**files, sslpassword=PASSPHRASE), user="with_certificate")
    assert await is_encrypted(settings)
    error = await refusal(replace(tls.dsn(**files, sslpassword="guessed"), user="with_certificate"))
    assert isinstance(error, UsageError)
    assert error.message.endswith("cannot be used")
    assert "guessed" not in f"{error.message} {error.hint}"


async def test_a_key_that_others_may_read_is_refused(tls: TlsServer) -> None:
    issued = tls.authority.issue("with_certificate")
    issued.key.chmod(0o644)
    error = await refusal(tls.dsn(sslmode="require", sslcert=str(issued.certificate), sslkey=str(issued.key)))
    assert isinstance(error, UsageError)
    assert error.message == f"others may read the key {issued.key}"


@pytest.mark.parametrize("mode", ["prefer", "require"])
async def test_a_client_certificate_that_is_not_there_is_named(tls: TlsServer, mode: str) -> None:
    error = await refusal(tls.dsn(sslmode=mode, sslcert="/none.crt"))
    assert isinstance(error, UsageError)
    assert error.message == "the client certificate /none.crt cannot be read: No such file or directory"


async def test_versions_of_tls_have_names(tls: TlsServer) -> None:
    assert await is_encrypted(tls.dsn(sslmode="require", ssl_min_protocol_version="TLSv1.3"))
    error = await refusal(tls.dsn(sslmode="require", ssl_min_protocol_version="TLSv9"))
    assert isinstance(error, UsageError)


async def test_parameters_that_only_concern_libpq_are_passed_over(tls: TlsServer) -> None:
    assert await is_encrypted(tls.dsn(connect_timeout="10", keepalives="1", channel_binding="prefer"))
    error = await refusal(tls.dsn(channel_binding="require"))
    assert isinstance(error, UsageError)
    assert error.message == "channel_binding=require is not supported"
