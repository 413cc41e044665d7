"""What TAXII, STIX and the sharing rules mean: values in, values out. No clock, no file, no socket."""
