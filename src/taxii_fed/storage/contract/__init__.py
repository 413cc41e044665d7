"""The suite that every store passes.

A store binds it in a test module of its own: import everything from `suite` and give a ``store_factory`` fixture that returns a
`builders.StoreFactory`. No test may be left out: `tools/contract.py` fails when two stores did not run the same ones.
"""
