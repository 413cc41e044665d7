"""The use cases, one file each: where transactions begin and end."""
