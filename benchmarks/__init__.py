"""One script per question, run as ``python -m benchmarks.grocery_sites``.

Results lie in ``results/``, and ``python -m benchmarks.tables`` makes docs/benchmarks.md of them.
"""
