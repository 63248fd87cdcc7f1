"""The views of a run: each is told every event, and shows it in its way."""
