"""What to do about what the server says, where it does not say that itself.

The codes are those of https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

_OTHER_SCHEMA = (
    "Is the schema that of the snapshot? pg_dump --schema-only of the source tells. Mend the target's, then begin anew "
    "with --restart."
)
HINTS = {
    "22001": "Make the column wider, or of type text, then begin anew with --restart.",
    "23502": _OTHER_SCHEMA,
    "23503": _OTHER_SCHEMA,
    "23505": _OTHER_SCHEMA,
    "23514": _OTHER_SCHEMA,
    "23P01": _OTHER_SCHEMA,
    "25006": "Connect to the primary server, and look at default_transaction_read_only.",
    "28000": "Look at --db-user and at the server's pg_hba.conf; RDS may want TLS: --db-sslmode require.",
    "28P01": "Give the password in PGPASSWORD, ~/.pgpass or DBRESTORE_DSN.",
    "3D000": "Look at the name in --dsn or --db-name, or make the database: CREATE DATABASE.",
    "42501": "Grant the role what it lacks, or connect as the role that owns the tables.",
    "53100": "Make room on the server's disk, then go on with --resume.",
    "53200": "Give the server more memory (of locks: max_locks_per_transaction), or let the restore take less: --jobs, "
    "--index-jobs, --maintenance-work-mem. Then go on with --resume.",
    "53300": "Take fewer connections with --jobs and --index-jobs, or raise max_connections.",
    "53400": "Raise that limit of the server.",
    "55P03": "Somebody else is using the table: pg_stat_activity tells who. End that, then go on with --resume.",
    "57014": "Somebody cancelled it, or a timeout of the server did (statement_timeout); go on with --resume.",
    "57P01": "The server was stopped, or somebody ended the session; go on with --resume when it is there again.",
    "57P03": "Wait until the server has started.",
}


def hint_of(error: BaseException) -> str | None:
    """What to do about what asyncpg raised, in the server's words or else in ours."""
    return getattr(error, "hint", None) or HINTS.get(getattr(error, "sqlstate", None) or "")
