"""Whether the target has what the export holds: row counts, and the content of rows as multisets."""
