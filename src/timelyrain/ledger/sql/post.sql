-- Write the lines of transfers that are already in `ledger_transfer`, and move their accounts. Only the functions of the ledger
-- call it. Every account and row is found by its index, whatever the planner knows of the tables: it does not know how long the
-- arrays are, and a plan for short ones, or for tables that were empty yesterday, takes seconds for long ones.
CREATE FUNCTION ledger_write_lines(
    p_shard smallint, p_ids uuid[],
    line_of int[], line_code text[], line_owner uuid[], line_amount bigint[], line_formula text[]
) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
    befores bigint[];
BEGIN
    LOOP
        BEGIN
            -- Accounts are locked in the order of ids, so that two batches that share some wait for each other and never deadlock.
            -- What the lock returns is the balance that was last committed, also where it had to be waited for.
            SELECT array_agg(id ORDER BY n), array_agg(balance_fen ORDER BY n) INTO ids, befores FROM (
                SELECT l.n, a.id, a.balance_fen
                FROM unnest(line_code, line_owner) WITH ORDINALITY AS l(code, owner, n)
                JOIN ledger_account a ON a.shard = p_shard AND a.code = l.code AND a.owner = l.owner
                ORDER BY a.id FOR UPDATE OF a) held;
            EXIT WHEN cardinality(ids) = cardinality(line_of);
            RAISE EXCEPTION USING ERRCODE = 'TR000'; -- lets go of the accounts: another batch may be making those that miss
        EXCEPTION WHEN SQLSTATE 'TR000' THEN
            INSERT INTO ledger_account (shard, id, code, owner, balance_fen)
                SELECT p_shard, gen_random_uuid(), l.code, l.owner, 0
                FROM (SELECT DISTINCT code, owner FROM unnest(line_code, line_owner) AS x(code, owner)) l
                WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.shard = p_shard AND a.code = l.code AND a.owner = l.owner)
                ORDER BY l.code, l.owner
                ON CONFLICT (shard, code, owner) DO NOTHING;
        END;
    END LOOP;

    UPDATE ledger_account a SET balance_fen = a.balance_fen + d.amount
        FROM (SELECT id, sum(amount) AS amount FROM unnest(ids, line_amount) AS l(id, amount) GROUP BY id) d
        WHERE a.shard = p_shard AND a.id = d.id;
    INSERT INTO ledger_entry (shard, transfer_id, line, account_id, amount_fen, balance_after_fen, charge_formula)
        SELECT p_shard, p_ids[of], row_number() OVER (PARTITION BY of ORDER BY n), id, amount,
               before + sum(amount) OVER (PARTITION BY id ORDER BY n), formula
        FROM unnest(line_of, ids, befores, line_amount, line_formula) WITH ORDINALITY AS l(of, id, before, amount, formula, n);
END $$;
REVOKE EXECUTE ON FUNCTION ledger_write_lines FROM PUBLIC;

-- Post a batch of transfers of one shard in one call. Amounts: + debit, - credit. Returns the ids that were new; the others had been
-- posted before. Line arrays run parallel; line_of holds the 1-based position of the line's transfer.
CREATE FUNCTION ledger_post(
    p_shard smallint,
    p_ids uuid[], p_keys text[], p_acts text[], p_loans uuid[], p_value_on date[], p_booked_at timestamptz[], p_digests bytea[],
    line_of int[], line_code text[], line_owner uuid[], line_amount bigint[], line_formula text[]
) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    wrong text;
    fresh uuid[];
    counts smallint[];
BEGIN
    SELECT array_agg(lines ORDER BY of), min(p_keys[of]) FILTER (WHERE lines < 2 OR fen <> 0 OR zero) INTO counts, wrong
        FROM (SELECT of, count(*) AS lines, sum(amount) AS fen, bool_or(amount = 0) AS zero
              FROM unnest(line_of, line_amount) AS l(of, amount) GROUP BY of) t;
    IF cardinality(counts) IS DISTINCT FROM cardinality(p_ids) THEN
        SELECT p_keys[position] INTO wrong FROM generate_subscripts(p_keys, 1) AS position
            WHERE position <> ALL (line_of) LIMIT 1;
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % is not balanced: it needs two lines or more, none zero, that sum to zero', wrong
            USING ERRCODE = 'TR001';
    END IF;

    WITH inserted AS (
        INSERT INTO ledger_transfer (shard, id, key, act, loan_id, value_on, booked_at, lines, digest)
        SELECT p_shard, t.id, t.key, t.act, t.loan, t.value_on, t.booked_at, counts[t.position], t.digest
        FROM unnest(p_ids, p_keys, p_acts, p_loans, p_value_on, p_booked_at, p_digests)
             WITH ORDINALITY AS t(id, key, act, loan, value_on, booked_at, digest, position)
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
        SELECT array_agg(l.of ORDER BY n), array_agg(code ORDER BY n), array_agg(owner ORDER BY n), array_agg(amount ORDER BY n),
               array_agg(formula ORDER BY n)
            INTO line_of, line_code, line_owner, line_amount, line_formula
            FROM unnest(line_of, line_code, line_owner, line_amount, line_formula)
                 WITH ORDINALITY AS l(of, code, owner, amount, formula, n)
            JOIN unnest(fresh) AS f(id) ON p_ids[l.of] = f.id;
    END IF;

    SELECT format('%s on transfer %s by the formula %s', c.charge_kind, p_keys[l.of], coalesce(l.formula, 'none')) INTO wrong
        FROM unnest(line_of, line_code, line_amount, line_formula) AS l(of, code, amount, formula)
        JOIN ledger_chart c ON c.code = l.code AND c.charge_kind IS NOT NULL
        WHERE l.amount < 0 AND NOT EXISTS (
            SELECT FROM ledger_disclosedcharge d
            WHERE d.shard = p_shard AND d.loan_id = p_loans[l.of] AND d.kind = c.charge_kind AND d.formula = l.formula)
        LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'this charge was not disclosed: %', wrong USING ERRCODE = 'TR002';
    END IF;

    PERFORM ledger_write_lines(p_shard, p_ids, line_of, line_code, line_owner, line_amount, line_formula);
    RETURN fresh;
END $$;

-- A second guard, on the table itself: whoever inserts entries, a transfer's lines are inserted together, are 1 to n as announced
-- and sum to zero. It does for a whole statement what a foreign key would do row by row.
CREATE FUNCTION ledger_check_balanced() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT i.transfer_id INTO wrong
        FROM (SELECT shard, transfer_id, sum(amount_fen) AS sum, count(*) AS lines, min(line) AS first, max(line) AS last
              FROM inserted GROUP BY shard, transfer_id) i
        LEFT JOIN ledger_transfer t ON t.shard = i.shard AND t.id = i.transfer_id
        WHERE i.sum <> 0 OR t.lines IS NULL OR t.lines <> i.lines OR i.first <> 1 OR i.last <> i.lines LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'entries of transfer % do not balance or are not its announced lines', wrong USING ERRCODE = 'TR001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER balanced AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_balanced();

-- Room on each page for the next version of a balance: the indexes need not change when it does.
ALTER TABLE ledger_account SET (fillfactor = 60);
