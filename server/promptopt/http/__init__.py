"""`promptopt serve`: the same optimizer over HTTP. Needs the extra `http`."""
