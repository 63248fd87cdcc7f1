-- name: build_settings
SELECT set_config('maintenance_work_mem', $1, true);

-- name: build_memory
-- For each of $1 builds at a time its share of half of shared_buffers, but no more than $2 bytes, and no less than the
-- server's own maintenance_work_mem.
SELECT greatest(
           pg_size_bytes(current_setting('maintenance_work_mem')),
           least($2::int8, pg_size_bytes(current_setting('shared_buffers')) / 2 / $1::int8)
       ) / 1024 || 'kB';

-- name: orphans
-- How many there are, and the first of them.
WITH orphans AS ({orphans})
SELECT (SELECT count(*) FROM orphans) AS total,
       ARRAY(SELECT DISTINCT key FROM orphans ORDER BY key LIMIT {limit}) AS keys;
