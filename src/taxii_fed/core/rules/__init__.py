"""Sharing rules: what they are, whom they reach, and what they say about one version."""
