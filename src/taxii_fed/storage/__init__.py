"""Stores behind `taxii_fed.ports.Store`, and the contract suite that each one passes."""
