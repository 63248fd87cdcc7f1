"""Other ways to load the parts of an export, each a program: ``python -m benchmarks.suite.loaders.adbc_ingest``."""
