"""Restore an AWS RDS or Aurora PostgreSQL snapshot export into a PostgreSQL database."""

__version__ = "0.1.0"
