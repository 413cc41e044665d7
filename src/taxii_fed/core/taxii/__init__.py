"""TAXII 2.1 as values: filters, positions, resources."""
