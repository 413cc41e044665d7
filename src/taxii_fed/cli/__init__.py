"""The `taxii-fed` command, one module per noun."""
