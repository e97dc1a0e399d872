from timelyrain.runtime.problems import Conflict, Invalid, NotAllowed, TooMany


class CodeWrong(NotAllowed):
    slug, title = "one-time-code-wrong", "The one-time code is not right"


class CodeSpent(NotAllowed):
    slug, title = "one-time-code-spent", "This one-time code can no longer be used"


class CodeNotBound(NotAllowed):
    slug, title = "one-time-code-for-something-else", "The one-time code was given for something else"


class TooManyCodes(TooMany):
    slug, title = "too-many-codes", "Too many one-time codes were asked for"


class ConsentMissing(NotAllowed):
    slug, title = "consent-missing", "The borrower has not consented to this"


class ConsentTextChanged(Conflict):
    slug, title = "consent-text-changed", "The wording of this consent has changed"


class ProfileMissing(Conflict):
    slug, title = "profile-missing", "The borrower's details are not complete"


class ProfileInvalid(Invalid):
    slug, title = "profile-invalid", "The borrower's details are not right"


class IdentityTaken(Conflict):
    slug, title = "identity-taken", "This identity document already has an account"
