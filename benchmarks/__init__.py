"""One script per question, run as ``python -m benchmarks.grocery_sites``; all explain ``--help``.

They write ``results/``, from which ``python -m benchmarks.tables`` generates docs/benchmarks.md.
"""
