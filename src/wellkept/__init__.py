"""Wellkept: which patients are at risk of leaving unhappy or for good, why, and what would help."""

__version__ = "0.1.0"
