"""An export in S3."""
