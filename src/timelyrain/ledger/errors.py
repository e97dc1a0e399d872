from timelyrain.runtime.problems import Conflict, Problem


class Unbalanced(Problem):
    slug, status, title = "unbalanced-transfer", 500, "A transfer did not balance and was refused"


class UndisclosedCharge(Problem):
    slug, status, title = (
        "undisclosed-charge",
        500,
        "A charge that was not disclosed before signing was refused",
    )


class TransferKeyReused(Conflict):
    slug, title = "transfer-key-reused", "This key belongs to another transfer"
