"""The use cases: where transactions begin and end.

Imports go down this list only: ``answers``; ``federation`` and ``rules``; ``intake``; ``views`` and ``reading``; then the
modules here, which each stand alone.
"""
