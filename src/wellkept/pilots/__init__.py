"""Experiments inside the workflow: planned with their power, drawn by a hash, read with an interval.

`plans` is a pilot's TOML, `holdouts` who is held out, `power` what can be seen at all, `estimating` the estimate,
`reading` what may be said of it, `standing` how a pilot stands.
"""
