"""The language of features, and the only window on the past.

`language` says what can be asked of a patient's past, `query` compiles any number of such questions into one SQL
query, `engine` runs SQL over (points x events), shard by shard, `prepared` runs it for a few patients at a time, and
`one_journey` has its bits for one patient without it. What follows a prediction time cannot be named.
"""

from wellkept.history.language import Expression, History, expression_from, past
from wellkept.history.one_journey import JourneyFeatures
from wellkept.history.prepared import PreparedFeatures
from wellkept.history.query import FeatureQuery

__all__ = ["Expression", "FeatureQuery", "History", "JourneyFeatures", "PreparedFeatures", "expression_from", "past"]
