from django.urls import path

from timelyrain.borrower import applying, asking, entering, repaying, signing

app_name = "borrower"
urlpatterns = [
    path("", entering.landing, name="landing"),
    path("sign-in", entering.sign_in, name="sign_in"),
    path("sign-in/code", entering.enter_code, name="enter_code"),
    path("sign-out", entering.sign_out, name="sign_out"),
    path("next", entering.next_step, name="next"),
    path("me", entering.me, name="me"),
    path("consents", entering.consents, name="consents"),
    path("consents/given", entering.given_consents, name="given_consents"),
    path("profile", entering.profile, name="profile"),
    path("apply", applying.apply, name="apply"),
    path("applications/<uuid:application_id>", applying.result, name="application"),
    path("applications/<uuid:application_id>/review", applying.ask_person, name="review"),
    path("offers/<uuid:offer_id>", signing.offer, name="offer"),
    path("disclosures/<uuid:disclosure_id>", signing.disclosure, name="disclosure"),
    path("disclosures/<uuid:disclosure_id>/signature", signing.signature, name="signature"),
    path("agreements/<uuid:agreement_id>", signing.agreement, name="agreement"),
    path("agreements/<uuid:agreement_id>/contract.pdf", signing.contract_pdf, name="contract_pdf"),
    path("loans/<uuid:loan_id>", repaying.loan, name="loan"),
    path("loans/<uuid:loan_id>/repay/<slug:kind>", repaying.repay, name="repay"),
    path("loans/<uuid:loan_id>/repayments/<uuid:repayment_id>", repaying.repayment, name="repayment"),
    path("loans/<uuid:loan_id>/help", asking.ask, name="ask"),
    path("loans/<uuid:loan_id>/changes/<uuid:act_id>", asking.change, name="change"),
    path("loans/<uuid:loan_id>/events.json", repaying.events_file, name="events"),
]
