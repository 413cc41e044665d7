"""What the HTTP and conformance tests share: a node on a clock of its own, a WSGI client, pollers like those in the field."""
