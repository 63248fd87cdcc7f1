"""Write a PostgreSQL database out in the form of an RDS snapshot export, for demos, tests and benchmarks.

Where AWS documents the form, or real exports show it, this writes the same; where neither does, the module
that decides says so.
"""

from dbrestore.simulate.catalog import Skipped
from dbrestore.simulate.destination import LocalDestination, open_destination
from dbrestore.simulate.simulation import ROWS_PER_PART, Simulation, simulate

__all__ = ["ROWS_PER_PART", "LocalDestination", "Simulation", "Skipped", "open_destination", "simulate"]
