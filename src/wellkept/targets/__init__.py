"""What can be predicted, one file a grammar of the sentence in `[label] true_when`.

A part has EXAMPLE (a sentence that it reads), `parse(sentence) -> Question | None`: the SQL that answers the
question at each point with true, false or null (not known). `labels` in `wellkept.labelling` does the rest.
"""
