"""Schemas that pg_dump wrote: read by pg_restore, made in the target before the rows and after them."""
