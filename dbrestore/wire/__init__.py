"""Arrow arrays to the bytes that COPY takes. Knows nothing of connections."""
