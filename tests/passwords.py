"""Roles that have to prove who they are, on a server that otherwise trusts everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database


def demand_password(database: Database, password: str, attributes: str = "") -> str:
    """A role, named like the database, that needs the password there."""
    role, server = database.name, database.server
    before = server.execute("SELECT clock_timestamp()")
    server.execute(
        f"""
        SET password_encryption = 'scram-sha-256';
        CREATE ROLE "{role}" LOGIN {attributes} PASSWORD '{password}';
        CREATE TEMP TABLE rules (number serial, line text);
        INSERT INTO rules (line) VALUES
            ('host "{role}" "{role}" all scram-sha-256'), ('host all all all trust'), ('local all all trust');
        DO $$
        BEGIN
            EXECUTE format(
                'COPY (SELECT line FROM rules ORDER BY number) TO %L', current_setting('hba_file')
            );
        END
        $$;
        SELECT pg_reload_conf();
        """
    )
    while server.execute(f"SELECT pg_conf_load_time() > '{before}'") != "t":
        pass
    return role
