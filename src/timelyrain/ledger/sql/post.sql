-- The one way into the books. Runs again over an older version of itself: migrations read this file.
DROP FUNCTION IF EXISTS ledger_write_lines(smallint, uuid[], int[], text[], uuid[], bigint[], text[]);
DROP FUNCTION IF EXISTS ledger_post(smallint, uuid[], text[], text[], uuid[], date[], timestamptz[], bytea[],
    int[], text[], uuid[], bigint[], text[]);

-- Move accounts by the lines of transfers that are already in `ledger_transfer`, and write the lines. Only the functions of the
-- ledger call it. Accounts come once each; line_account holds the 1-based position of a line's account, line_of that of its transfer.
-- Every account and row is found by its index, whatever the planner knows of the tables: it does not know how long the
-- arrays are, and a plan for short ones, or for tables that were empty yesterday, takes seconds for long ones.
CREATE OR REPLACE FUNCTION ledger_write_lines(
    p_shard smallint, p_ids uuid[], account_code text[], account_owner uuid[],
    line_of int[], line_number smallint[], line_account int[], line_amount bigint[], line_formula text[]
) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    sums bigint[];
    ids uuid[];
    befores bigint[];
    missing int;
    made int;
BEGIN
    SELECT array_agg(fen ORDER BY account) INTO sums FROM (
        SELECT account, sum(amount)::bigint AS fen
        FROM (SELECT * FROM unnest(line_account, line_amount) UNION ALL SELECT n, 0 FROM generate_subscripts(account_code, 1) n)
            AS l(account, amount) GROUP BY account) s;
    -- One batch at a time moves the accounts of a shard: those that share an account would wait for each other anyway, and nearly all
    -- share one of the lender's. Without it they could deadlock, since rows are locked in the order in which a plan comes to them.
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger:' || p_shard, 0));
    WITH moved AS (
        UPDATE ledger_account a SET balance_fen = a.balance_fen + d.fen
            FROM unnest(account_code, account_owner, sums) WITH ORDINALITY AS d(code, owner, fen, n)
            WHERE a.shard = p_shard AND a.code = d.code AND a.owner = d.owner
            RETURNING d.n, a.id, a.balance_fen - d.fen AS before)
    SELECT array_agg(id ORDER BY n), array_agg(before ORDER BY n) INTO ids, befores FROM moved;
    missing := cardinality(account_code) - coalesce(cardinality(ids), 0);
    IF missing > 0 THEN
        INSERT INTO ledger_account (shard, id, code, owner, balance_fen)
            SELECT p_shard, gen_random_uuid(), d.code, d.owner, d.fen FROM unnest(account_code, account_owner, sums) AS d(code, owner, fen)
            WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.shard = p_shard AND a.code = d.code AND a.owner = d.owner);
        GET DIAGNOSTICS made = ROW_COUNT;
        IF made <> missing THEN
            RAISE EXCEPTION 'an account comes twice in one batch' USING ERRCODE = 'TR004';
        END IF;
        SELECT array_agg(a.id ORDER BY n), array_agg(a.balance_fen - d.fen ORDER BY n) INTO ids, befores
            FROM unnest(account_code, account_owner, sums) WITH ORDINALITY AS d(code, owner, fen, n)
            JOIN ledger_account a ON a.shard = p_shard AND a.code = d.code AND a.owner = d.owner;
    END IF;

    INSERT INTO ledger_entry (shard, transfer_id, line, account_id, amount_fen, balance_after_fen, charge_formula)
        SELECT p_shard, p_ids[of], number, ids[account], amount,
               befores[account] + sum(amount) OVER (PARTITION BY account ORDER BY n), formula
        FROM unnest(line_of, line_number, line_account, line_amount, line_formula)
             WITH ORDINALITY AS l(of, number, account, amount, formula, n);
END $$;
REVOKE EXECUTE ON FUNCTION ledger_write_lines FROM PUBLIC;

-- Post a batch of transfers of one shard in one call. Amounts: + debit, - credit. Returns the ids that were new, the others had been
-- posted before; NULL when all were new. Line arrays run parallel, the accounts are those of all lines.
CREATE OR REPLACE FUNCTION ledger_post(
    p_shard smallint,
    p_ids uuid[], p_keys text[], p_acts text[], p_loans uuid[], p_value_on date[], p_booked_at timestamptz[], p_digests bytea[],
    account_code text[], account_owner uuid[],
    line_of int[], line_number smallint[], line_account int[], line_amount bigint[], line_formula text[]
) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    wrong text;
    fresh uuid[];
    counts smallint[];
    charges int[];
    kinds text[];
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

    -- Most batches are all new, and a plain insert takes two thirds of the time of one that looks for conflicts.
    BEGIN
        INSERT INTO ledger_transfer (shard, id, key, act, loan_id, value_on, booked_at, lines, digest)
            SELECT p_shard, * FROM unnest(p_ids, p_keys, p_acts, p_loans, p_value_on, p_booked_at, counts, p_digests);
    EXCEPTION WHEN unique_violation THEN
        WITH inserted AS (
            INSERT INTO ledger_transfer (shard, id, key, act, loan_id, value_on, booked_at, lines, digest)
            SELECT p_shard, * FROM unnest(p_ids, p_keys, p_acts, p_loans, p_value_on, p_booked_at, counts, p_digests)
            ON CONFLICT (shard, key) DO NOTHING
            RETURNING id)
        SELECT coalesce(array_agg(id), '{}') INTO fresh FROM inserted;
        SELECT t.key INTO wrong FROM unnest(p_keys, p_digests) AS n(key, digest)
            JOIN ledger_transfer t ON t.shard = p_shard AND t.key = n.key AND t.digest <> n.digest LIMIT 1;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'the key % belongs to another transfer', wrong USING ERRCODE = 'TR003';
        END IF;
        IF fresh = '{}' THEN
            RETURN fresh;
        END IF;
        SELECT array_agg(l.of ORDER BY n), array_agg(number ORDER BY n), array_agg(account ORDER BY n), array_agg(amount ORDER BY n),
               array_agg(formula ORDER BY n)
            INTO line_of, line_number, line_account, line_amount, line_formula
            FROM unnest(line_of, line_number, line_account, line_amount, line_formula)
                 WITH ORDINALITY AS l(of, number, account, amount, formula, n)
            JOIN unnest(fresh) AS f(id) ON p_ids[l.of] = f.id;
    END;

    SELECT array_agg(n), array_agg((SELECT charge_kind FROM ledger_chart c WHERE c.code = a.code)) INTO charges, kinds
        FROM unnest(account_code) WITH ORDINALITY AS a(code, n)
        WHERE a.code = ANY (ARRAY(SELECT code FROM ledger_chart WHERE charge_kind IS NOT NULL));
    SELECT format('%s on transfer %s by the formula %s', kind, p_keys[l.of], coalesce(l.formula, 'none')) INTO wrong
        FROM unnest(charges, kinds) AS c(account, kind)
        JOIN unnest(line_of, line_account, line_amount, line_formula) AS l(of, account, amount, formula) ON l.account = c.account
        WHERE l.amount < 0 AND NOT EXISTS (
            SELECT FROM ledger_disclosedcharge d
            WHERE d.shard = p_shard AND d.loan_id = p_loans[l.of] AND d.kind = c.kind AND d.formula = l.formula)
        LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'this charge was not disclosed: %', wrong USING ERRCODE = 'TR002';
    END IF;

    PERFORM ledger_write_lines(
        p_shard, p_ids, account_code, account_owner, line_of, line_number, line_account, line_amount, line_formula);
    RETURN fresh;
END $$;

-- A second guard, on the table itself: whoever inserts entries, a transfer's lines are inserted together, are 1 to n as announced
-- and sum to zero. It does for a whole statement what a foreign key would do row by row.
CREATE OR REPLACE FUNCTION ledger_check_balanced() RETURNS trigger LANGUAGE plpgsql
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
CREATE OR REPLACE TRIGGER balanced AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_balanced();

-- Room on each page for the next version of a balance: the indexes need not change when it does.
ALTER TABLE ledger_account SET (fillfactor = 60);
