"""What events of money and charges do to a loan. Each act: (loan, event, firm) -> None, or ContractViolation.

firm: the event is judged as it was booked. An event that was right when it was booked may not fit any more once an
earlier fact arrives late (a debit that bounced, a payment found); money is then still money, and is taken for what it
can be: see each act.
"""

from datetime import date

from timelyrain.finance import CalendarEnds, Method, TermsInvalid

from .events import Event, PrepayMode
from .loan import Loan
from .rows import Row
from .state import ChargeOff
from .terms import PPM, Terms, plan
from .violations import ContractViolation


def disbursed(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: a part paid out after all had fallen due is due at once."""
    terms, on, amount = loan.terms, event.value_on, event.amount_fen
    if loan.parts == terms.parts:
        rule, detail = "disbursed-once", "the money was paid out before"
        if terms.parts > 1:
            rule, detail = "parts-agreed", "the terms allow no further part"
        raise ContractViolation(event, rule, detail, first=loan.started, parts=terms.parts)
    if terms.parts == 1 and amount != terms.principal_fen:
        raise ContractViolation(
            event,
            "disburse-whole-principal",
            "pay out exactly the principal; nothing may be deducted",
            amount_fen=amount,
            principal_fen=terms.principal_fen,
        )
    left = terms.principal_fen - loan.disbursed
    if amount > left:
        raise ContractViolation(
            event,
            "disburse-within-principal",
            "pay out no more than is left",
            amount_fen=amount,
            left_fen=left,
        )
    if loan.started is None and terms.first_due is not None and on >= terms.first_due:
        raise ContractViolation(
            event,
            "disburse-before-first-due",
            "the agreed first due date has passed",
            first_due=terms.first_due,
        )
    over = loan.started is not None and loan.current == len(loan.rows)
    if over and firm:
        raise ContractViolation(
            event, "disburse-before-the-end", "the last instalment has fallen due; a new loan needs new terms"
        )
    loan.parts += 1
    loan.disbursed += amount
    if over:
        before = loan.surplus
        loan.insert_due(Row(0, on, amount, 0))
        loan.surplus = loan.pay_due(loan.surplus, on)
        if loan.charged_off_on is not None:
            loan.charged_off += amount - (before - loan.surplus)
        return
    if loan.started is None:
        _refuse_plan(terms, event, firm)
        loan.start(on)
    loan.count(on)
    if back := loan.down_payment(amount):
        amount -= back
        loan.insert_due(Row(0, on, back, 0))
    loan.lend(amount)
    loan.lay_out()
    loan.surplus = loan.pay_due(loan.surplus, on)


def _refuse_plan(terms: Terms, event: Event, firm: bool) -> None:
    """Instalments agreed one by one that cannot be kept from this day on."""
    if terms.custom_fen and firm:
        try:
            plan(terms, event.value_on)
        except CalendarEnds as error:
            raise ContractViolation(event, "calendar-covers-the-plan", str(error)) from error
        except TermsInvalid as error:
            raise ContractViolation(event, "custom-instalments-kept", str(error)) from error


def paid_back(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: what was not surplus after all is owed, as surplus below zero."""
    if firm and event.amount_fen > loan.surplus:
        raise ContractViolation(
            event,
            "pay-back-within-surplus",
            "only surplus can be returned",
            amount_fen=event.amount_fen,
            surplus_fen=loan.surplus,
        )
    loan.surplus -= event.amount_fen
    loan.paid_back += event.amount_fen


def charged_back(loan: Loan, event: Event, firm: bool) -> None:
    loan.received -= event.amount_fen
    part = min(event.amount_fen, max(loan.surplus, 0))
    loan.surplus -= part
    if event.amount_fen > part:
        loan.surplus -= _owe_again(loan, event.value_on, event.amount_fen - part)


def _owe_again(loan: Loan, on: date, money: int) -> int:
    """Turn payments back into a debt due on `on`: principal first, the newest instalment first, then interest and the rest.

    Returns the money that had paid nothing (it was surplus and was returned before).
    """
    debt, taken = Row(0, on, 0, 0), money
    loan.bank(on, money)
    newest = loan.rows[: loan.current][::-1]
    for row in newest:
        loan.hold(row, on)
        part = min(money, row.principal_paid)
        row.principal_paid -= part
        row.principal -= part
        debt.principal += part
        money -= part
    part = min(money, loan.prepaid)
    loan.prepaid -= part
    debt.principal += part
    money -= part
    for row in newest:
        part = min(money, row.interest_paid)
        row.interest_paid -= part
        row.interest -= part
        debt.interest += part
        money -= part
        part = min(money, row.penalty_paid)
        row.penalty_paid -= part
        row.penalty_base -= part
        debt.penalty_base += part
        money -= part
        part = min(money, row.cost_paid)
        row.cost_paid -= part
        row.cost -= part
        debt.cost += part
        money -= part
    if loan.charged_off_on is not None:
        part = min(taken - money, loan.recovered)
        loan.recovered -= part
        loan.charged_off += taken - money - part
    if loan.unpaid(debt, on):
        loan.insert_due(debt)
    return money


def repaid(loan: Loan, event: Event, firm: bool) -> None:
    if firm and loan.charged_off_on is not None:
        raise ContractViolation(
            event,
            "recovered-after-charge-off",
            "the loan is charged off; book the money as RECOVERED",
            charged_off_on=loan.charged_off_on,
        )
    loan.received += event.amount_fen
    left = loan.receive(event.amount_fen, event.value_on)
    if loan.charged_off_on is not None:
        loan.recovered += event.amount_fen - left
    loan.surplus += left


def recovered(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: a loan that is not charged off any more takes the money as a repayment."""
    if firm and loan.charged_off_on is None:
        raise ContractViolation(
            event, "charged-off-first", "the loan is not charged off; book the money as REPAID"
        )
    repaid(loan, event, False)


def refunded(loan: Loan, event: Event, firm: bool) -> None:
    if event.text("source") == "goodwill":
        loan.goodwill += event.amount_fen
    else:
        loan.received += event.amount_fen
    _credit(loan, event, to_principal=event.text("to") == "principal")


def _credit(loan: Loan, event: Event, *, to_principal: bool) -> None:
    """Money without a fee: to what is due, then to principal (or the whole payoff), then to surplus."""
    on = event.value_on
    money = (loan.receive if to_principal else loan.pay_due)(event.amount_fen, on)
    if loan.charged_off_on is not None:
        loan.recovered += event.amount_fen - money
    if to_principal and money and loan.undue:
        if money + loan.surplus >= loan.to_come(on):
            money = loan.settle(money + loan.surplus, on)
            loan.surplus = 0
        else:
            part = min(
                money, loan.undue - 1
            )  # the last fen waits with the interest for the running instalment
            money -= part
            if part:
                reduce_principal(loan, event, part, keep_term=True)
    loan.surplus += money


def reduce_principal(loan: Loan, event: Event, principal: int, *, keep_term: bool) -> None:
    loan.count(event.value_on)
    loan.reduce(principal)
    loan.lay_out(level=keep_term, shorten=not keep_term)


def prepaid_part(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: money that pays what is due, then principal, without a fee."""
    terms, on, mode = loan.terms, event.value_on, event.data["mode"]
    arrears = loan.arrears(on)
    most = event.amount_fen * terms.prepayment_fee_ppm // (PPM + terms.prepayment_fee_ppm)
    fee = max(0, min(most, loan.fee_room(on))) if most else 0
    principal = event.amount_fen - fee
    possible = not arrears and principal < loan.undue and (mode == PrepayMode.KEEP_TERM or loan.part)
    if not firm and not possible:
        loan.received += event.amount_fen
        _credit(loan, event, to_principal=True)
        return
    if arrears:
        raise ContractViolation(
            event, "arrears-first", "pay what is due as REPAID first", amount_due_fen=arrears
        )
    if principal >= loan.undue:
        raise ContractViolation(
            event,
            "part-below-whole",
            "use PREPAID_FULL to settle",
            principal_fen=principal,
            principal_not_due_fen=loan.undue,
        )
    if mode == PrepayMode.KEEP_INSTALMENT and not loan.part:
        raise ContractViolation(
            event, "instalment-to-keep", "these terms allow keep_term only", method=terms.method
        )
    loan.received += event.amount_fen
    loan.fees += fee
    reduce_principal(loan, event, principal, keep_term=mode == PrepayMode.KEEP_TERM)


def prepaid_full(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: an amount that is not the payoff any more settles if it is enough, and is a partial prepayment if not."""
    on = event.value_on
    payoff, fee = loan.payoff(on)
    if event.amount_fen != payoff:
        if not firm:
            loan.received += event.amount_fen
            _credit(loan, event, to_principal=True)
            return
        raise ContractViolation(
            event,
            "settle-exactly",
            "the amount must be the payoff of the day; book other money as REPAID",
            amount_fen=event.amount_fen,
            payoff_fen=payoff,
        )
    loan.received += payoff
    loan.fees += fee
    money = payoff + loan.surplus - fee
    loan.surplus = loan.settle(money, on)


def fee_charged(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: charged as far as the cap allows, a late fee only where something is still late."""
    terms, on, kind, amount = loan.terms, event.value_on, event.text("kind"), event.amount_fen
    most = terms.late_fee_fen if kind == "late_fee" else terms.service_fee_fen
    if not most:
        raise ContractViolation(event, "fee-disclosed", "the terms disclose no such fee", kind=kind)
    if amount > most:
        raise ContractViolation(
            event, "fee-as-disclosed", "more than was disclosed", amount_fen=amount, disclosed_fen=most
        )
    room = max(0, loan.fee_room(on))
    late = [row for row in loan.rows[loan.oldest : loan.current] if row.due_on < on and not row.late_fee]
    late = [row for row in late if row.settled_on is None]
    if not firm:
        amount = min(amount, room) if kind == "service_fee" or late else 0
    if amount > room:
        raise ContractViolation(
            event, "fee-within-cap", "the cap on all charges leaves less", amount_fen=amount, room_fen=room
        )
    if kind == "late_fee":
        if firm and not late:
            raise ContractViolation(
                event, "late-fee-once", "no instalment is overdue that has not borne its late fee"
            )
        if late and amount:
            late[0].cost += amount
            late[0].late_fee = True
        loan.late_fees += amount
        return
    loan.service_fees += amount
    if loan.current < len(loan.rows):
        loan.next_cost += amount
        loan.rows[loan.current].cost += amount
    elif loan.oldest < len(loan.rows):
        loan.rows[loan.oldest].cost += amount
    elif amount:  # all is paid, but surplus that was returned is owed again
        debt = Row(0, on, 0, 0)
        debt.cost = amount
        loan.insert_due(debt)


def waived(loan: Loan, event: Event, firm: bool) -> None:
    """Not firm: waives what is there."""
    on, target, money = event.value_on, event.text("target"), event.amount_fen
    for row in loan.rows[loan.oldest : loan.current]:
        if target == "penalty":
            part = min(money, loan.hold(row, on) - row.penalty_paid - row.penalty_waived)
            row.penalty_waived += part
        elif target == "interest":
            part = min(money, row.interest - row.interest_paid - row.interest_waived)
            row.interest_waived += part
        else:
            part = min(money, row.cost - row.cost_paid - row.cost_waived)
            row.cost_waived += part
        money -= part
        loan.mark(row, on)
    if loan.charged_off_on is not None:
        loan.charged_off -= event.amount_fen - money
    if firm and money:
        raise ContractViolation(
            event,
            "waive-what-is-due",
            "more than is due cannot be forgiven",
            target=target,
            due_fen=event.amount_fen - money,
        )
    loan.skip_settled()


def charged_off(loan: Loan, event: Event, firm: bool) -> None:
    on = event.value_on
    if loan.charged_off_on is not None:
        if not firm:
            return
        raise ContractViolation(event, "charged-off-once", "the loan is charged off", on=loan.charged_off_on)
    loan.close(on)
    loan.surplus = loan.pay_due(loan.surplus, on)
    loan.charged_off = loan.arrears(on) + min(loan.surplus, 0)
    loan.charged_off_on = on
    open_rows = loan.rows[loan.oldest :]
    loan.charge_off = ChargeOff(
        on,
        dpd=(on - open_rows[0].due_on).days if open_rows else 0,
        interest_fen=sum(row.interest - row.interest_paid - row.interest_waived for row in open_rows),
        penalty_fen=sum(loan.penalty(row, on) - row.penalty_paid - row.penalty_waived for row in open_rows),
    )


def sold(loan: Loan, event: Event, firm: bool) -> None:
    if event.text("owner") == loan.owner:
        raise ContractViolation(event, "sold-to-another", "the claim belongs to it already", owner=loan.owner)
    loan.owner = event.text("owner")


def settled(loan: Loan, event: Event, firm: bool) -> None:
    if firm and not loan.settled():
        payoff, _ = loan.payoff(event.value_on)
        raise ContractViolation(
            event,
            "settled-owes-nothing",
            "something is still owed; book its payment or its waiver first",
            payoff_fen=payoff,
        )


def spreads(method: Method) -> bool:
    """Whether the plan has instalments of principal that can be lowered."""
    return method in (Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL, Method.FLAT)
