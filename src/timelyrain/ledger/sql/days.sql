-- The sub-ledger of the day close: inserting a shard's rows of a business day posts them. What they sum to stands on the lender's
-- own receivable, suspense and allowance accounts (the control accounts); no row can be there without its posting, nor a charge
-- that was not disclosed. timelyrain.booked_at: when the act was booked, if not now.
CREATE OR REPLACE FUNCTION ledger_post_days() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    lender constant uuid := '00000000-0000-0000-0000-000000000000';
    wrong uuid;
    day record;
    act uuid;
    codes text[];
    amounts bigint[];
    held bigint;
BEGIN
    SELECT a.loan_id INTO wrong FROM added a
        LEFT JOIN ledger_disclosedcharge d
            ON d.shard = a.shard AND d.id = a.interest_charge_id AND d.loan_id = a.loan_id AND d.kind = 'interest'
        WHERE a.interest_fen > 0 AND d.id IS NULL LIMIT 1;
    IF wrong IS NULL THEN
        SELECT a.loan_id INTO wrong FROM added a
            LEFT JOIN ledger_disclosedcharge d
                ON d.shard = a.shard AND d.id = a.penalty_charge_id AND d.loan_id = a.loan_id AND d.kind = 'penalty'
            WHERE a.penalty_fen > 0 AND d.id IS NULL LIMIT 1;
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'this charge was not disclosed: a day of loan %', wrong USING ERRCODE = 'TR002';
    END IF;

    FOR day IN
        SELECT shard, "on", sum(interest_fen)::bigint AS interest, sum(penalty_fen)::bigint AS penalty,
               coalesce(sum(interest_fen) FILTER (WHERE suspended), 0)::bigint AS interest_suspended,
               coalesce(sum(penalty_fen) FILTER (WHERE suspended), 0)::bigint AS penalty_suspended,
               sum(allowance_fen)::bigint AS allowance
        FROM added GROUP BY shard, "on" ORDER BY shard, "on"
    LOOP
        SELECT balance_fen INTO held FROM ledger_account
            WHERE shard = day.shard AND code = '1304' AND owner = lender FOR UPDATE;
        SELECT array_agg(code), array_agg(amount) INTO codes, amounts FROM (VALUES
            ('1132.1', day.interest), ('6011.1', day.interest_suspended - day.interest), ('1133.1', -day.interest_suspended),
            ('1132.2', day.penalty), ('6011.2', day.penalty_suspended - day.penalty), ('1133.2', -day.penalty_suspended),
            ('1304', -day.allowance - coalesce(held, 0)), ('6702', day.allowance + coalesce(held, 0))
        ) AS line(code, amount) WHERE amount <> 0;
        CONTINUE WHEN codes IS NULL;
        act := gen_random_uuid();
        INSERT INTO ledger_transfer (shard, id, key, act, loan_id, value_on, booked_at, lines, digest)
            VALUES (day.shard, act, 'day:' || day."on", 'day_close', NULL, day."on",
                    coalesce(nullif(current_setting('timelyrain.booked_at', true), '')::timestamptz, now()),
                    cardinality(codes), sha256(convert_to(codes::text || amounts::text, 'UTF8')));
        PERFORM ledger_write_lines(
            day.shard, ARRAY[act], codes, array_fill(lender, ARRAY[cardinality(codes)]), array_fill(1, ARRAY[cardinality(codes)]),
            array(SELECT generate_subscripts(codes, 1))::smallint[], array(SELECT generate_subscripts(codes, 1)), amounts,
            array_fill(NULL::text, ARRAY[cardinality(codes)]));
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER posted AFTER INSERT ON ledger_loanday
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_post_days();
