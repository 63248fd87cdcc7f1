"""The export: what RDS wrote to S3 or a local folder. Knows nothing of PostgreSQL."""
