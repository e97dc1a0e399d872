"""The routes of the simulated world. GET / lists them; the package docstring shows the JSON."""

import secrets
from datetime import date

from timelyrain.sandbox import bank, credit, device, rail, shop, tax, telecom
from timelyrain.sandbox.days import Moments, china_date, moments, now
from timelyrain.sandbox.lives import Lives, draw_lives
from timelyrain.sandbox.noise import keys
from timelyrain.sandbox.people import PROFILES, Person, adopt_person, make_person, valid_id_number
from timelyrain.sandbox.population import population_lines
from timelyrain.sandbox.report import Reports
from timelyrain.sandbox.web import Answer, Refusal, Request, Router

MODES = ("slow", "fail", "lose_answer", "down", "pend", "refuse")
PURPOSES = ("loan_approval", "card_approval", "post_loan", "self")
router = Router()


@router.on("GET", "/")
def index(request: Request) -> Answer:
    """This page."""
    return Answer(router.index(), content_type="text/html; charset=utf-8")


@router.on("GET", "/health")
def health(request: Request) -> Answer:
    """{"ok": true}: the process serves and its state file answers."""
    request.store.row("SELECT 1")
    return Answer({"ok": True, "now": now().isoformat()})


# SMS gateway


@router.on("POST", "/sms", "sms")
def send_sms(request: Request) -> Answer:
    """{phone, text, key}: delivers a text once per key."""
    key, phone, text = (
        request.text("key", r".{1,100}"),
        request.text("phone", r"\+?\d{5,20}"),
        request.text("text", r".{1,2000}"),
    )
    with request.store.writing() as db:
        old = db.execute("SELECT * FROM messages WHERE key = ?", (key,)).fetchone()
        if old and (old["phone"], old["text"]) != (phone, text):
            raise Refusal(
                409, "key_reused", f"key {key!r} already stands for another message; use a new key", "key"
            )
        if not old:
            db.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?)", (key, phone, text, request.as_of().isoformat())
            )
    return Answer({"key": key, "status": "delivered"}, 200 if old else 201)


@router.on("GET", "/sms/{phone}")
def read_sms(request: Request) -> Answer:
    """The borrower's telephone: its messages, oldest first."""
    rows = request.store.rows(
        "SELECT key, text, at FROM messages WHERE phone = ? ORDER BY rowid", request.path["phone"]
    )
    return Answer({"phone": request.path["phone"], "messages": [dict(r) for r in rows]})


# people and the sources that know them


@router.on("GET", "/people/new")
def new_person(request: Request) -> Answer:
    """?profile=good|thin|overindebted|gambler|late|random&seed=N: a person; the same profile and seed are the same person."""
    profile = request.query.get("profile", "random")
    if profile not in PROFILES:
        raise Refusal(422, "bad_field", f"profile {profile!r} is none of {', '.join(PROFILES)}", "profile")
    seed = request.whole("seed", 0, 10**15, default=secrets.randbelow(10**9))
    return Answer(request.store.add_person(make_person(profile, seed)).identity() | {"seed": seed})


def _require_consent(request: Request) -> None:
    if request.body.get("consent_id") in (None, ""):
        raise Refusal(
            403, "no_consent", "consent_id is required: no data without the person's consent", "consent_id"
        )


def _subject(request: Request) -> Person:
    """Who the request is about: the ID number if given, else the owner of the card or phone, else someone adopted."""
    store, stated = request.store, request.optional("name")
    links = {k: v for k in ("bank_card", "phone") if (v := request.optional(k))}
    number = request.optional("id_number").upper()
    if number:
        if not valid_id_number(number):
            raise Refusal(422, "invalid_id_number", f"{number!r} is no GB 11643 number", "id_number")
        person = store.person(number) or adopt_person(number, stated)
    else:
        kind, value = next(iter(links.items()), ("", ""))
        owner = store.owner(kind, value) or f"{kind}:{value}"
        person = store.person(owner) or adopt_person(owner, stated)
    if stated and person.name not in ("", stated):
        raise Refusal(404, "no_such_person", "no person of this name with these particulars", "name")
    for kind, value in links.items():
        if store.owner(kind, value) not in (None, person.id_number):
            raise Refusal(404, "no_such_person", f"this {kind} is another person's", kind)
    known = store.add_person(Person(**{**person.__dict__, **links}) if links else person)
    return Person(**{**known.__dict__, "name": known.name or stated})


@router.on("POST", "/registry/verify", "registry")
def verify(request: Request) -> Answer:
    """{name, id_number}: {"result": "match" | "mismatch" | "not_found"}, and no more than that."""
    name, number = request.text("name", r".{1,60}"), request.text("id_number", r".{1,30}").upper()
    if not valid_id_number(number):
        return Answer({"result": "not_found"})
    person = request.store.person(number) or request.store.add_person(adopt_person(number, name))
    return Answer({"result": "match" if person.name in ("", name) else "mismatch"})


@router.on("POST", "/bureau/report", "bureau")
def bureau_report(request: Request) -> Answer:
    """{name, id_number, purpose, consent_id}: a second-generation report; the query itself shows in tomorrow's."""
    _require_consent(request)
    request.text("name")
    request.text("id_number")
    purpose = request.text("purpose")
    if purpose not in PURPOSES:
        raise Refusal(422, "bad_field", f"purpose {purpose!r} is none of {', '.join(PURPOSES)}", "purpose")
    person, as_of = _subject(request), request.as_of()
    on = china_date(as_of)
    sql = "SELECT asked_on, reason FROM inquiries WHERE id_number = ? AND asked_on < ?"
    before = request.store.rows(sql, person.id_number, on.isoformat())
    with request.store.writing() as db:
        db.execute(
            "INSERT OR IGNORE INTO inquiries VALUES (?, ?, ?)", (person.id_number, on.isoformat(), purpose)
        )
    us = int(keys(0, 999)[0])  # the lender on this side of the sandbox
    asked = [
        (date.fromisoformat(r["asked_on"]).toordinal() - 719_163, PURPOSES.index(r["reason"]), us)
        for r in before
    ]
    c, when = _life(person, request)
    return Answer(Reports(c, when, credit.open_file(c, when)).of(0, person, as_of, purpose, asked))


@router.on("POST", "/bank/flows", "bank")
def bank_flows(request: Request) -> Answer:
    """{bank_card, name, consent_id, months, id_number?}: the account's transactions."""
    _require_consent(request)
    request.text("name")
    card, months = request.text("bank_card", r"\d{16,19}"), request.whole("months", 1, 24, default=12)
    person = _subject(request)
    c, when = _life(person, request)
    return Answer(bank.Statements(when, bank.transactions(c, when, months), months).of(0, person, card))


@router.on("POST", "/telecom/bills", "telecom")
def telecom_bills(request: Request) -> Answer:
    """{phone, consent_id, id_number?}: the last twelve bills, and whether the number is that person's."""
    _require_consent(request)
    phone = request.text("phone", r"\d{11}")
    number = request.optional("id_number").upper()
    owner = request.store.owner("phone", phone)
    other = request.store.person(owner) if owner and number and owner != number else None
    person = other or _subject(request)
    return Answer(telecom.document(telecom.bills(*_life(person, request)), 0, phone, owned=other is None))


@router.on("POST", "/shop/orders", "shop")
def shop_orders(request: Request) -> Answer:
    """{phone, consent_id, id_number?}: twelve months of orders, bought and sold; 404 no_account for who has none."""
    _require_consent(request)
    request.text("phone", r"\d{11}")
    c, when = _life(_subject(request), request)
    found = shop.Accounts(c, when, shop.orders(c, when)).of(0)
    if found is None:
        raise Refusal(404, "no_account", "nobody of these particulars has an account here")
    return Answer(found)


@router.on("POST", "/tax/records", "tax")
def tax_records(request: Request) -> Answer:
    """{name, id_number, consent_id}: 24 months of income tax, social insurance and housing fund; 404 no_record."""
    _require_consent(request)
    request.text("name")
    request.text("id_number")
    c, when = _life(_subject(request), request)
    found = tax.Ledgers(c, tax.records(c, when)).of(0)
    if found is None:
        raise Refusal(404, "no_record", "the records of this person cannot be had")
    return Answer(found)


@router.on("POST", "/device/events", "device")
def device_events(request: Request) -> Answer:
    """{phone, consent_id, id_number?}: twelve months of what was seen of the person's devices."""
    _require_consent(request)
    request.text("phone", r"\d{11}")
    c, when = _life(_subject(request), request)
    return Answer(device.Sightings(c, when, device.events(c, when)).of(0))


def _life(person: Person, request: Request) -> tuple[Lives, Moments]:
    return draw_lives([person]), moments([request.as_of()])


# rail


@router.on("POST", "/rail/pay-outs", "rail.pay_out")
def pay_out(request: Request) -> Answer:
    """{key, amount_fen, bank_card, name}: pays the card, once per key; 201 new, 200 known, 409 same key but other body."""
    order, new = rail.place(request, "pay_out")
    return Answer(order, 201 if new else 200)


@router.on("GET", "/rail/pay-outs/{key}", "rail.query")
def pay_out_by_key(request: Request) -> Answer:
    """status succeeded | refused (code) | processing; 404 unknown_key when it was never accepted."""
    return Answer(rail.look_up(request.store, "pay_out", request.path["key"]))


@router.on("POST", "/rail/debits", "rail.debit")
def debit(request: Request) -> Answer:
    """{key, amount_fen, bank_card, name}: draws on the card's account; refused insufficient_funds when short."""
    order, new = rail.place(request, "debit")
    return Answer(order, 201 if new else 200)


@router.on("GET", "/rail/debits/{key}", "rail.query")
def debit_by_key(request: Request) -> Answer:
    """As for pay-outs."""
    return Answer(rail.look_up(request.store, "debit", request.path["key"]))


@router.on("GET", "/rail/statement", "rail.statement")
def statement(request: Request) -> Answer:
    """?on=YYYY-MM-DD: every order of that value date and the totals."""
    try:
        on = date.fromisoformat(request.query.get("on", ""))
    except ValueError:
        raise Refusal(422, "bad_field", "on must be a date like 2026-03-31", "on") from None
    return Answer(rail.statement(request.store, on.isoformat()))


@router.on("GET", "/rail/accounts/{card}")
def read_account(request: Request) -> Answer:
    """{card, holder, balance_fen}."""
    return Answer(dict(rail.account(request.store, request.path["card"])))


@router.on("POST", "/rail/accounts/{card}/deposit")
def deposit(request: Request) -> Answer:
    """{amount_fen}: puts money into the account."""
    return Answer(rail.move_cash(request, 1))


@router.on("POST", "/rail/accounts/{card}/withdraw")
def withdraw(request: Request) -> Answer:
    """{amount_fen?}: takes money out; everything when no amount is given."""
    return Answer(rail.move_cash(request, -1))


# time stamps


@router.on("POST", "/tsa", "tsa")
def time_stamp(request: Request) -> Answer:
    """RFC 3161: application/timestamp-query in, application/timestamp-reply out; ?as_of= sets the stated time."""
    from timelyrain.sandbox import tsa  # half a second of imports that most runs never need

    body = tsa.stamp(request.store.path, request.raw, request.as_of())
    return Answer(body, content_type="application/timestamp-reply")


@router.on("GET", "/tsa/cert")
def time_stamp_certificate(request: Request) -> Answer:
    """The authority's certificate, PEM: what a verifier trusts."""
    from timelyrain.sandbox import tsa

    return Answer(tsa.certificate(request.store.path), content_type="application/x-pem-file")


# control


@router.on("POST", "/faults")
def add_fault(request: Request) -> Answer:
    """{target, mode: slow|fail|lose_answer|down|pend|refuse, seconds?, times?, code?}: makes a target misbehave."""
    target, mode = request.text("target"), request.text("mode")
    known = set(router.targets()) | {t.split(".")[0] for t in router.targets()}
    if target not in known:
        raise Refusal(422, "bad_field", f"target {target!r} is none of {', '.join(sorted(known))}", "target")
    if mode not in MODES or (mode in ("pend", "refuse") and not target.startswith("rail")):
        raise Refusal(
            422, "bad_field", f"mode {mode!r} is none of {', '.join(MODES)} (pend, refuse: rail only)", "mode"
        )
    seconds = request.body.get("seconds", 10 if mode == "lose_answer" else 2)
    if type(seconds) not in (int, float) or not 0 <= seconds <= 600:
        raise Refusal(422, "bad_field", f"seconds must be a number in 0..600, got {seconds!r}", "seconds")
    times = request.whole("times", 1, 10**6) if request.body.get("times") is not None else None
    with request.store.writing() as db:
        sql = "INSERT INTO faults (target, mode, seconds, times, code) VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, (target, mode, seconds, times, request.optional("code") or None))
    return list_faults(request)


@router.on("GET", "/faults")
def list_faults(request: Request) -> Answer:
    """The faults still live."""
    rows = request.store.rows(
        "SELECT target, mode, seconds, times, code FROM faults WHERE times IS NULL OR times > 0 ORDER BY id"
    )
    return Answer({"faults": [dict(r) for r in rows]})


@router.on("DELETE", "/faults")
def clear_faults(request: Request) -> Answer:
    """Everything works again."""
    with request.store.writing() as db:
        db.execute("DELETE FROM faults")
    return list_faults(request)


@router.on("GET", "/calls")
def calls(request: Request) -> Answer:
    """?target=&id_number=&phone=&bank_card=&key=&consent_id=: who was asked about whom; filters are optional."""
    names = [
        n for n in ("target", "id_number", "phone", "bank_card", "key", "consent_id") if n in request.query
    ]
    where = " AND ".join(f"{n} = ?" for n in names) or "1"
    rows = request.store.rows(
        f"SELECT * FROM calls WHERE {where} ORDER BY id", *(request.query[n] for n in names)
    )
    return Answer({"count": len(rows), "calls": [dict(r) for r in rows[-200:]]})


@router.on("GET", "/population")
def population(request: Request) -> Answer:
    """?n=4000&seed=1&as_of=&span_months=0: newline-delimited JSON of people with raw documents and what became of them."""
    n, seed = request.whole("n", 1, 200_000, default=1000), request.whole("seed", 0, 10**15, default=1)
    span = request.whole("span_months", 0, 60, default=0)
    return Answer(population_lines(n, seed, request.as_of(), span), content_type="application/x-ndjson")
