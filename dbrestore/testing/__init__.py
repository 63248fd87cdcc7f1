"""What the demo, the tests and the benchmarks share: a throw-away server and sample data."""
