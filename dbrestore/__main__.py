"""``python -m dbrestore``."""

from dbrestore.cli import main

main()
