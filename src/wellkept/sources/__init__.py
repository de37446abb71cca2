"""Ways in, one file a system: `read(path, *, now, mapping, limits) -> Batch`."""
