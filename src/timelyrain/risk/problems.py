"""What every kind of training refuses."""

MIN_BAD = 25
"""Rows of each class without which nothing is learnt or tested."""


class TrainingDataInvalid(ValueError):
    """The file, the request, or matrix, labels and names do not fit together, or there is nothing to learn from."""
