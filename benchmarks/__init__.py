"""Benchmarks, all competitors in one process: `python -m benchmarks.<name> --json OUT.json`."""
