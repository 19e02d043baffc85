"""A package, so that ``tests.support`` is always ours."""
