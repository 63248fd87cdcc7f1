-- name: state
SELECT has_database_privilege(current_database(), 'CREATE') AS may_create,
       n.oid IS NOT NULL AS has_schema,
       pg_has_role(n.nspowner, 'USAGE') AS is_owned,
       (SELECT count(*) = 4 FROM pg_class c
         WHERE c.relnamespace = n.oid AND c.relname IN ('run', 'loaded_table', 'part', 'deferred')) AS is_ours,
       (SELECT array_agg(c.relname) = ARRAY['archive'::name] FROM pg_class c
         WHERE c.relnamespace = n.oid AND c.relkind = 'r') AS is_begun_schema
  FROM (VALUES ('dbrestore')) AS wanted (name)
  LEFT JOIN pg_namespace n ON n.nspname = wanted.name;

-- name: create
SET LOCAL default_tablespace = '';
CREATE SCHEMA IF NOT EXISTS dbrestore;
COMMENT ON SCHEMA dbrestore IS
    'Unfinished restore: `dbrestore restore … --resume` goes on with it, `dbrestore abort` puts back what it took down.';
CREATE TABLE dbrestore.run (
    export_id text NOT NULL,
    source_database text NOT NULL,
    settings text NOT NULL,
    skipped bigint[] NOT NULL,
    phase text NOT NULL,
    started_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE TABLE dbrestore.loaded_table (
    oid bigint PRIMARY KEY,
    name text NOT NULL,
    columns text[] NOT NULL,
    copy_format text NOT NULL,
    rows_before bigint NOT NULL
);
CREATE TABLE dbrestore.part (
    key text PRIMARY KEY,
    table_oid bigint NOT NULL,
    size bigint NOT NULL,
    version text NOT NULL,
    rows bigint NOT NULL,
    is_loaded boolean NOT NULL
) WITH (fillfactor = 60);
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
    is_down boolean NOT NULL,
    failure text,
    failure_hint text
);

-- name: begin
INSERT INTO dbrestore.run (export_id, source_database, settings, skipped, phase) VALUES ($1, $2, $3, $4, $5);

-- name: enter
UPDATE dbrestore.run SET phase = $1;

-- name: claim_parts
-- Waits for a transaction that has the same parts and of which nobody knows yet whether it commits.
UPDATE dbrestore.part SET is_loaded = true WHERE key = ANY ($1::text[]) AND NOT is_loaded RETURNING key;

-- name: claim_step
UPDATE dbrestore.deferred SET is_down = false, failure = $2, failure_hint = $3 WHERE key = $1 AND is_down RETURNING key;

-- name: summary
SELECT export_id, source_database, phase, started_at,
       (SELECT count(*) FROM dbrestore.loaded_table) AS tables,
       (SELECT count(*) FROM dbrestore.loaded_table t
         WHERE NOT EXISTS (SELECT FROM dbrestore.part p WHERE p.table_oid = t.oid AND NOT p.is_loaded)) AS tables_loaded,
       parts, parts_loaded, rows, rows_loaded,
       ARRAY(SELECT DISTINCT identity FROM dbrestore.deferred WHERE is_down ORDER BY identity) AS down
  FROM dbrestore.run,
       (SELECT count(*) AS parts,
               count(*) FILTER (WHERE is_loaded) AS parts_loaded,
               coalesce(sum(rows), 0)::bigint AS rows,
               coalesce(sum(rows) FILTER (WHERE is_loaded), 0)::bigint AS rows_loaded
          FROM dbrestore.part) AS parts;

-- name: run
SELECT export_id, source_database, settings, skipped, phase FROM dbrestore.run;

-- name: tables
SELECT oid, name, columns, copy_format, rows_before FROM dbrestore.loaded_table ORDER BY name;

-- name: parts
SELECT table_oid, key, size, version, rows, is_loaded FROM dbrestore.part ORDER BY key;

-- name: steps
SELECT key, table_oid, identity, statements, needs, after, alone, reads_rows, fallback, orphans, validation
  FROM dbrestore.deferred
 WHERE is_down OR statements = '{}';

-- name: failures
SELECT failure, failure_hint FROM dbrestore.deferred WHERE failure IS NOT NULL ORDER BY key;

-- name: is_down
SELECT EXISTS (SELECT FROM dbrestore.deferred WHERE is_down);

-- name: drop
DROP SCHEMA dbrestore CASCADE;

-- name: drop_run
DROP TABLE dbrestore.run, dbrestore.loaded_table, dbrestore.part, dbrestore.deferred;

-- name: has_begun_schema
SELECT to_regclass('dbrestore.archive') IS NOT NULL;

-- name: end_writers
-- A server process works on, until it wants to tell its client and finds it dead.
SELECT pg_terminate_backend(pid)
  FROM pg_locks
 WHERE relation IN ('dbrestore.part'::regclass, 'dbrestore.deferred'::regclass)
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid();

-- name: wait_for_writers
LOCK TABLE dbrestore.run, dbrestore.part, dbrestore.deferred IN SHARE MODE;
