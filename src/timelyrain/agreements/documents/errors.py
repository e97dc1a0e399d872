"""What can go wrong with a document. Each message names the value and the remedy."""


class DocumentError(Exception):
    """A contract could not be made, signed or read."""


class TimestampUnavailable(DocumentError):
    """The time-stamping authority gave no usable answer: the document is unsigned, trying again is safe."""
