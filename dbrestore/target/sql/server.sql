-- name: state
-- $1 is the memory of an index build, as a setting says it.
SELECT current_setting('wal_level') AS wal_level,
       pg_size_bytes(current_setting('max_wal_size')) AS max_wal_size,
       pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers,
       pg_size_bytes($1) AS build_memory,
       least(current_setting('max_parallel_maintenance_workers')::int, current_setting('max_parallel_workers')::int)
           AS build_workers,
       (pg_current_wal_insert_lsn() - '0/0')::int8 AS wal_position,
       (SELECT blks_read * current_setting('block_size')::int FROM pg_stat_database WHERE datname = current_database())
           AS bytes_read,
       (SELECT blks_hit * current_setting('block_size')::int FROM pg_stat_database WHERE datname = current_database())
           AS bytes_hit,
       (SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()) AS temporary_bytes,
       EXISTS (SELECT FROM pg_replication_slots) OR EXISTS (SELECT FROM pg_stat_replication) AS is_replicated,
       EXISTS (SELECT FROM pg_roles WHERE rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin'))
           AS is_managed;

-- name: checkpoints
SELECT num_requested AS requested, num_timed AS timed FROM pg_stat_checkpointer;

-- name: checkpoints_before_17
SELECT checkpoints_req AS requested, checkpoints_timed AS timed FROM pg_stat_bgwriter;
