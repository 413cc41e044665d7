"""The loop that pulls what is due."""
