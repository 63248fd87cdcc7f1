"""``dbrestore``, and ``python -m dbrestore``."""

import gc

gc.disable()  # what is imported is here to stay: to look through it again and again takes a twentieth of the time

from dbrestore.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
