from timelyrain.runtime.problems import Conflict, Invalid, NotAllowed, NotFound, TooMany, Unavailable


class RequestOutsideProduct(Invalid):
    slug, title = "outside-product", "The product does not offer this"


class PurposeForbidden(Invalid):
    slug, title = "purpose-forbidden", "Loans for this purpose are not made"


class TooManyApplications(TooMany):
    slug, title = "too-many-applications", "Too many applications in a day"


class OfferExpired(Conflict):
    slug, title = "offer-expired", "The offer has expired"


class NotReady(Unavailable):
    slug, title = "not-ready-to-decide", "No decision policy or model is active"


class ModelUnusable(Unavailable):
    slug, title = "model-unusable", "The scoring model in force cannot be used"


class PolicyUnfit(Invalid):
    slug, title = "policy-unfit", "The policy or model cannot decide"


class SecondPersonNeeded(NotAllowed):
    slug, title = "second-person-needed", "Somebody else has to approve this"


class NotDecided(Conflict):
    slug, title = "not-decided-yet", "The application is not decided yet"


class NotExplained(NotFound):
    slug, title = "explanation-not-possible", "This decision cannot be explained any more"
