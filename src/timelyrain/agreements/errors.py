from timelyrain.runtime.problems import Conflict, Invalid, NotAllowed


class OutsideOffer(Invalid):
    slug, title = "outside-offer", "This is not within the offer"


class ReadingTime(Conflict):
    slug, title = "reading-time-not-over", "The disclosure must be read first"


class DisclosureChanged(Conflict):
    slug, title = "disclosure-changed", "This is not the disclosure that was shown"


class DisclosureStale(Conflict):
    slug, title = "disclosure-stale", "The disclosure is no longer valid"


class NotConfirmed(Conflict):
    slug, title = "disclosure-not-confirmed", "The disclosure was not confirmed"


class AlreadySigned(Conflict):
    slug, title = "already-signed", "This offer has been signed"


class TooManyLoans(Conflict):
    slug, title = "too-many-loans", "As many loans as allowed are open already"


class AboveCap(NotAllowed):
    slug, title = "above-cap", "The cost would exceed the cap of the law"
