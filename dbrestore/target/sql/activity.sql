-- name: figures
SELECT pid, phase,
       CASE WHEN coalesce(tuples_total, 0) > 0 THEN tuples_done ELSE blocks_done END AS done,
       CASE WHEN coalesce(tuples_total, 0) > 0 THEN tuples_total ELSE blocks_total END AS total
  FROM pg_catalog.pg_stat_progress_create_index
 WHERE datname = current_database() AND phase IS NOT NULL
 UNION ALL
SELECT pid, phase, sample_blks_scanned, sample_blks_total
  FROM pg_catalog.pg_stat_progress_analyze
 WHERE datname = current_database() AND phase IS NOT NULL
 UNION ALL
SELECT pid, phase, heap_blks_scanned, heap_blks_total
  FROM pg_catalog.pg_stat_progress_vacuum
 WHERE datname = current_database() AND phase IS NOT NULL

-- name: copies
 UNION ALL
SELECT pid, 'copying', tuples_processed, 0
  FROM pg_catalog.pg_stat_progress_copy
 WHERE datname = current_database() AND tuples_processed IS NOT NULL
