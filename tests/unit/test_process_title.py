from __future__ import annotations

import pytest

from dbrestore.process_title import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db:5432/shop", "postgresql://me:***@db:5432/shop"),
        ("--dsn=postgresql://me:hunt@er2@db/shop", "--dsn=postgresql://me:***@db/shop"),
        (
            "postgresql://me@db/shop?password=hunter2&sslmode=require",
            "postgresql://me@db/shop?password=***&sslmode=require",
        ),
        ("postgresql://me@db/shop?sslpassword=hunter2", "postgresql://me@db/shop?sslpassword=***"),
        ("host=db password = 'hunter 2' user=me", "host=db password = *** user=me"),
        ("postgresql://me@db:5432/shop", "postgresql://me@db:5432/shop"),
        ("s3://bucket/exports/friday", "s3://bucket/exports/friday"),
    ],
)
def test_passwords_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown
