"""dbrestore beside its alternatives, on the same data and server: `make bench`."""
