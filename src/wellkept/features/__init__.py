"""Features of the journey, one file a touchpoint; each decorated function is one column."""
