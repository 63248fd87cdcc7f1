-- name: end_sessions
SELECT application_name, count(*) AS sessions,
       bool_or(CASE WHEN application_name = ANY ($2) THEN pg_terminate_backend(pid) END) AS are_told
  FROM pg_stat_activity
 WHERE datname = current_database() AND usename = session_user AND starts_with(application_name, $1)
 GROUP BY application_name;
