"""Pulling from peers: subscriptions and their leases, one pull, and the comparison with a whole manifest."""
