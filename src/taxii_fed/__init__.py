"""taxii-fed: the TAXII 2.1 server that federates."""

__version__ = "0.1.0"
