"""STIX: objects as bytes, what they must be, what the rules look at in them, and the levels that mark them."""
