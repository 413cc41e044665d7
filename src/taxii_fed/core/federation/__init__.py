"""Pulling from a peer as decisions: the next request, when to ask again, what a comparison means."""
