"""Peers over HTTP: taxii2-client behind our limits."""
