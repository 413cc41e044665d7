"""Measurements against the budgets of the project: `make bench`.

Every budget is a ratio of two figures of one run on one machine, so that it says the same on a laptop and on a server. Absolute figures are
printed beside it and kept in docs/performance.md.
"""
