from timelyrain.runtime.problems import Conflict, Invalid, NotAllowed


class AmountWrong(Invalid):
    slug, title = "amount-wrong", "This amount cannot be paid now"


class RepaymentOnItsWay(Conflict):
    slug, title = "repayment-on-its-way", "Another payment for this loan is still on its way"


class LoanClosed(Conflict):
    slug, title = "loan-closed", "The loan is settled"


class AboveLawCap(Conflict):
    slug, title = "above-law-cap", "The signed terms allow more than the law in force"


class ActImpossible(Conflict):
    slug, title = "act-impossible", "This cannot happen to the loan"


class ActDecided(Conflict):
    slug, title = "act-decided", "This act was decided before"


class SamePerson(NotAllowed):
    slug, title = "same-person", "Another person must approve"


class PreviewChanged(Conflict):
    slug, title = "preview-changed", "The loan is not as it was when you looked"


class WishWaiting(Conflict):
    slug, title = "wish-waiting", "A request of this kind waits for its answer"


class WishAnswered(Conflict):
    slug, title = "wish-answered", "This request was answered before"


class AmendmentChanged(Conflict):
    slug, title = "amendment-changed", "This is not the disclosure that was shown"


class ReadingAmendment(Conflict):
    slug, title = "amendment-not-read", "The new disclosure must be read first"


class CalendarEnds(Conflict):
    slug, title = "calendar-ends", "The calendar of working days does not cover this day"
