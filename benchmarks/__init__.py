"""Speed, as ratios measured side by side in one run: `make bench`."""

import os

from dbrestore.memory import set_up_libraries

set_up_libraries()  # what is measured in this process has the libraries as a restore has them
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody's second restore compiles anything
