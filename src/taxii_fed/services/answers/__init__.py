"""Answers for the admin: why somebody gets something or not, all that a party sees, what a peer gave."""
