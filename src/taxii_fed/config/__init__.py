"""YAML files to typed settings, or every mistake in them with its place."""
