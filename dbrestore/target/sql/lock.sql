-- name: backend
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: take
SELECT current_setting('transaction_read_only') = 'on' AS is_read_only, pg_try_advisory_lock($1) AS is_taken;

-- name: is_held
-- A lock of a bigint is shown as its two halves (PostgreSQL documentation, "pg_locks").
SELECT EXISTS (
    SELECT FROM pg_locks
     WHERE locktype = 'advisory' AND objsubid = 1 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (classid::bigint << 32 | objid::bigint) = $1
);

-- name: session
SELECT pid, backend_start, EXISTS (
           SELECT
             FROM pg_locks l
             JOIN pg_stat_activity holder USING (pid)
            WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
              AND l.database = holder.datid
              AND (l.classid::bigint << 32 | l.objid::bigint) = $1
              AND holder.pid = $2 AND holder.backend_start = $3
       ) AS is_held
  FROM pg_stat_activity
 WHERE pid = pg_backend_pid();

-- name: end_backends
SELECT count(pg_terminate_backend(pid))
  FROM pg_stat_activity
  JOIN unnest($1::integer[], $2::timestamp with time zone[]) AS ended (pid, backend_start) USING (pid, backend_start)
 WHERE pid <> pg_backend_pid();

-- name: stay_idle
-- The session that holds the lock does nothing else. Servers before 14 have no such setting.
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
