"""What a night looked like when the model was trained, and what it looks like now, in; what to do about it, out.

A functional core, one file a layer of METHOD.md, section 8: `sites` (0: units, known share, volume, freshness, by
site), `shifts` (1 and 2: inputs by their impact on the risk, scores and the list), `estimates` (3: without labels),
`answers` (4: how it came true, sequentially). `sketching` writes down the reference, `findings` holds what is said.
"""
