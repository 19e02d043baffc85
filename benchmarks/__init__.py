"""Measurements: ``python -m benchmarks`` compares servers; ``benchmarks/micro`` and ``hot_path`` look inside ours."""
