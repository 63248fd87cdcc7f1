"""The decisions of a plan, one module each: which tables, under which names, from which folders. All are pure."""
