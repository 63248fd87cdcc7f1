-- name: state
SELECT has_database_privilege(current_database(), 'CREATE') AS may_create,
       n.oid IS NOT NULL AS has_schema,
       pg_has_role(n.nspowner, 'USAGE') AS is_owned,
       (SELECT count(*) = 2 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname IN ('run', 'deferred')) AS is_ours
  FROM (VALUES ('dbrestore')) AS wanted (name)
  LEFT JOIN pg_namespace n ON n.nspname = wanted.name;

-- name: run
SELECT export_id, started_at, (SELECT count(DISTINCT identity) FROM dbrestore.deferred WHERE is_down) AS down
  FROM dbrestore.run;

-- name: create
SET LOCAL default_tablespace = '';
CREATE SCHEMA dbrestore;
COMMENT ON SCHEMA dbrestore IS 'Unfinished restore: `dbrestore abort` puts back what it took down and removes this.';
CREATE TABLE dbrestore.run (
    export_id text NOT NULL,
    started_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE TABLE dbrestore.deferred (
    key text PRIMARY KEY,
    table_oid bigint NOT NULL,
    identity text NOT NULL,
    statements text[] NOT NULL,
    needs text[] NOT NULL,
    after text[] NOT NULL,
    alone bigint[] NOT NULL,
    reads_rows boolean NOT NULL,
    fallback text[],
    orphans text,
    validation text NOT NULL,
    is_down boolean NOT NULL
);

-- name: begin
INSERT INTO dbrestore.run (export_id) VALUES ($1);

-- name: steps
SELECT key, table_oid, identity, statements, needs, after, alone, reads_rows, fallback, orphans, validation
  FROM dbrestore.deferred
 WHERE is_down OR statements = '{}';

-- name: put_back
UPDATE dbrestore.deferred SET is_down = false WHERE key = $1;

-- name: is_down
SELECT EXISTS (SELECT FROM dbrestore.deferred WHERE is_down);

-- name: drop
DROP SCHEMA dbrestore CASCADE;

-- name: lock
SELECT pg_try_advisory_lock($1);

-- name: stay_idle
-- The session that holds the lock does nothing else. Servers before 14 have no such setting.
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
