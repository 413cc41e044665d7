"""What comes in, and goes: published here, offered by a peer, read from a file; the door, quarantine, erasure."""
