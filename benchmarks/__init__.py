"""Benchmarks: `python -m benchmarks.<name> --json OUT.json`; all competitors in one process on the same inputs."""
