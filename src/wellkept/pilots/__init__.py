"""Experiments inside the workflow: planned with their power, drawn by a hash, read with an interval.

`plans` is a pilot's TOML, `power` and `prospects` what it can show at all, `holdouts` who is held out, `standing` how
it stands, `estimating` the estimate, `reading` what may be said of it.
"""
