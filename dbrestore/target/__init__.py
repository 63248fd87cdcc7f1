"""The target: the PostgreSQL database that is restored into. Knows nothing of Parquet or S3."""
