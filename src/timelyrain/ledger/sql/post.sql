-- Write the lines of transfers that are already in `ledger_transfer`, and move their accounts. Only the functions of the ledger
-- call it. `fresh`: the transfers whose lines are wanted.
CREATE FUNCTION ledger_write_lines(
    p_shard smallint, p_ids uuid[], fresh uuid[],
    line_of int[], line_code text[], line_owner uuid[], line_amount bigint[], line_formula text[]
) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_account (shard, id, code, owner, balance_fen)
        SELECT p_shard, gen_random_uuid(), l.code, l.owner, 0
        FROM (SELECT DISTINCT code, owner FROM unnest(line_code, line_owner) AS x(code, owner)) l
        WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.shard = p_shard AND a.code = l.code AND a.owner = l.owner)
        ON CONFLICT (shard, code, owner) DO NOTHING;

    -- Always in the order of ids, so that two batches that share accounts wait for each other and never deadlock.
    PERFORM FROM ledger_account a
        JOIN (SELECT DISTINCT code, owner FROM unnest(line_code, line_owner) AS x(code, owner)) l USING (code, owner)
        WHERE a.shard = p_shard ORDER BY a.id FOR UPDATE OF a;

    WITH line AS (
        SELECT l.of, l.n, a.id AS account_id, l.amount, l.formula
        FROM unnest(line_of, line_code, line_owner, line_amount, line_formula)
             WITH ORDINALITY AS l(of, code, owner, amount, formula, n)
        JOIN ledger_account a ON a.shard = p_shard AND a.code = l.code AND a.owner = l.owner
        WHERE p_ids[l.of] = ANY (fresh)),
    moved AS (
        UPDATE ledger_account a SET balance_fen = a.balance_fen + d.amount
        FROM (SELECT account_id, sum(amount) AS amount FROM line GROUP BY account_id) d
        WHERE a.shard = p_shard AND a.id = d.account_id
        RETURNING a.id, a.balance_fen - d.amount AS before)
    INSERT INTO ledger_entry (shard, transfer_id, line, account_id, amount_fen, balance_after_fen, charge_formula)
        SELECT p_shard, p_ids[line.of], row_number() OVER (PARTITION BY line.of ORDER BY line.n), line.account_id, line.amount,
               moved.before + sum(line.amount) OVER (PARTITION BY line.account_id ORDER BY line.n), line.formula
        FROM line JOIN moved ON moved.id = line.account_id;
END $$;
REVOKE EXECUTE ON FUNCTION ledger_write_lines FROM PUBLIC;

-- Post a batch of transfers of one shard in one call. Amounts: + debit, - credit. Returns the ids that were new; the others had been
-- posted before. Line arrays run parallel; line_of holds the 1-based position of the line's transfer.
CREATE FUNCTION ledger_post(
    p_shard smallint,
    p_ids uuid[], p_keys text[], p_acts text[], p_loans uuid[], p_value_on date[], p_booked_at timestamptz[], p_digests bytea[],
    line_of int[], line_code text[], line_owner uuid[], line_amount bigint[], line_formula text[]
) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong text;
    fresh uuid[];
BEGIN
    SELECT p_keys[t.position] INTO wrong
        FROM generate_subscripts(p_keys, 1) AS t(position)
        LEFT JOIN unnest(line_of, line_amount) AS l(of, amount) ON l.of = t.position
        GROUP BY t.position HAVING count(l.of) < 2 OR sum(l.amount) <> 0 OR bool_or(l.amount = 0) LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % is not balanced: it needs two lines or more, none zero, that sum to zero', wrong
            USING ERRCODE = 'TR001';
    END IF;

    WITH inserted AS (
        INSERT INTO ledger_transfer (shard, id, key, act, loan_id, value_on, booked_at, lines, digest)
        SELECT p_shard, t.id, t.key, t.act, t.loan, t.value_on, t.booked_at, l.lines, t.digest
        FROM unnest(p_ids, p_keys, p_acts, p_loans, p_value_on, p_booked_at, p_digests)
             WITH ORDINALITY AS t(id, key, act, loan, value_on, booked_at, digest, position)
        JOIN (SELECT of, count(*) AS lines FROM unnest(line_of) AS of GROUP BY of) l ON l.of = t.position
        ON CONFLICT (shard, key) DO NOTHING
        RETURNING id)
    SELECT coalesce(array_agg(id), '{}') INTO fresh FROM inserted;

    IF cardinality(fresh) < cardinality(p_ids) THEN
        SELECT t.key INTO wrong FROM unnest(p_keys, p_digests) AS n(key, digest)
            JOIN ledger_transfer t ON t.shard = p_shard AND t.key = n.key AND t.digest <> n.digest LIMIT 1;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'the key % belongs to another transfer', wrong USING ERRCODE = 'TR003';
        END IF;
        IF cardinality(fresh) = 0 THEN
            RETURN fresh;
        END IF;
    END IF;

    SELECT format('%s on transfer %s by the formula %s', c.charge_kind, p_keys[l.of], coalesce(l.formula, 'none')) INTO wrong
        FROM unnest(line_of, line_code, line_amount, line_formula) AS l(of, code, amount, formula)
        JOIN ledger_chart c ON c.code = l.code AND c.charge_kind IS NOT NULL
        WHERE l.amount < 0 AND p_ids[l.of] = ANY (fresh) AND NOT EXISTS (
            SELECT FROM ledger_disclosedcharge d
            WHERE d.shard = p_shard AND d.loan_id = p_loans[l.of] AND d.kind = c.charge_kind AND d.formula = l.formula)
        LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'this charge was not disclosed: %', wrong USING ERRCODE = 'TR002';
    END IF;

    PERFORM ledger_write_lines(p_shard, p_ids, fresh, line_of, line_code, line_owner, line_amount, line_formula);
    RETURN fresh;
END $$;

-- A second guard, on the table itself: whoever inserts entries, a transfer's lines are complete and sum to zero.
CREATE FUNCTION ledger_check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT e.transfer_id INTO wrong
        FROM ledger_entry e JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id
        WHERE (e.shard, e.transfer_id) IN (SELECT shard, transfer_id FROM inserted)
        GROUP BY e.transfer_id, t.lines HAVING sum(e.amount_fen) <> 0 OR count(*) <> t.lines LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'entries of transfer % do not balance or are not its announced lines', wrong USING ERRCODE = 'TR001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER balanced AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_balanced();
