"""The outside world, simulated over HTTP: people, registry, bureau, bank, carrier, shops, tax, devices, rail, SMS, time stamps.

It runs as its own process (`python -m timelyrain.sandbox --port 8901 --state var/sandbox.sqlite3`, or any WSGI server on
`timelyrain.sandbox.wsgi:application` with TIMELYRAIN_SANDBOX_STATE) and is never imported. GET / lists every route. Money is
integer fen, except in bureau reports (whole yuan); parties are 16 hex digits. Bodies are JSON objects. Any request may carry
`as_of` (ISO date or instant, in body or query): the world's day for this request, the real now otherwise. Errors are
`{"error": code, "detail": what and why, "field": where}` with an honest status.

    GET  /people/new?profile=good&seed=7   {name, id_number, id_valid_until, phone, bank_card, profile, seed}
    POST /registry/verify                  {name, id_number} -> {result: match | mismatch | not_found}
    POST /bureau/report                    {name, id_number, purpose, consent_id} -> {PRH, PIM, PSM, PCO, PPO, PQO, PDA, POQ}
    POST /bank/flows                       {bank_card, name, consent_id, months, id_number?}
                                           -> {account, period, fields: [ts, amt, bal, code, cp], rows: [[...], ...]}
    POST /telecom/bills                    {phone, consent_id, id_number?} -> {holder_match, in_service_since, bills: [...]}
    POST /shop/orders                      {phone, consent_id, id_number?} -> {registered_on, fields, rows} | 404 no_account
    POST /tax/records                      {name, id_number, consent_id} -> {fields, rows} | 404 no_record
    POST /device/events                    {phone, consent_id, id_number?} -> {first_seen_on, fields, rows}
    POST /sms {phone, text, key}           GET /sms/{phone} -> {messages: [{key, text, at}]}
    POST /rail/pay-outs, /rail/debits      {key, amount_fen, bank_card, name} -> 201 new | 200 known | 409 other body
    GET  /rail/pay-outs/{key}, /rail/debits/{key}   {key, kind, amount_fen, ..., status, code, reference, value_date};
                                           status: succeeded | refused (code: insufficient_funds, name_mismatch,
                                           invalid_card, ...) | processing; 404 unknown_key: never accepted
    GET  /rail/statement?on=2026-03-31     {on, paid_out_fen, debited_fen, lines}
    GET  /rail/accounts/{card}             POST .../deposit {amount_fen}   POST .../withdraw {amount_fen?}
    POST /tsa (RFC 3161)                   GET /tsa/cert (PEM)
    POST /faults {target, mode, seconds?, times?, code?}   GET, DELETE /faults
    GET  /calls?target=bureau&id_number=   {count, calls}
    GET  /population?n=4000&seed=1&as_of=&span_months=0    one JSON object a line, streamed

Faults: `slow` (waits, then works), `fail` (500, nothing done), `down` (503, nothing done), `lose_answer` (the deed is done, the
answer is not: waits, then 504), `pend` (rail: processing for `seconds`), `refuse` (rail: refused with `code`). Targets are the
names in the call log: sms, registry, bureau, bank, telecom, shop, tax, device, rail.pay_out, rail.debit, rail.query,
rail.statement, tsa, or `rail` for the whole family. `times` limits the calls affected.
"""
