-- The sub-ledger of the day close by month. The months are tables of a schema in which the application may do nothing: rows go in
-- through ledger_loanday, whose triggers post them, and a month bears the same triggers for whoever finds a way past it.
CREATE SCHEMA IF NOT EXISTS ledger_months;

-- Make the month of a day unless it is there. Attached, not created as a partition: that would keep everybody out of ledger_loanday.
CREATE OR REPLACE FUNCTION ledger_open_month(p_day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    first constant date := date_trunc('month', p_day);
    month constant text := to_char(first, '"ledger_months.loanday_"YYYY_MM');
BEGIN
    IF to_regclass(month) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('ledger_months', 0));
    END IF;
    -- Asked of the catalogue's rows: a name that was not there a moment ago is remembered as absent, and a lock refreshes nothing.
    IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'ledger_months'::regnamespace AND 'ledger_months.' || relname = month) THEN
        EXECUTE format('CREATE TABLE %s (LIKE ledger_loanday INCLUDING ALL)', month);
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', month);
        EXECUTE format('CREATE TRIGGER posted AFTER INSERT ON %s REFERENCING NEW TABLE AS added
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_post_days()', month);
        EXECUTE format('ALTER TABLE ledger_loanday ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                       month, first, first + interval '1 month');
    END IF;
END $$;

ALTER TABLE ledger_loanday RENAME TO ledger_loanday_before;
ALTER TABLE ledger_loanday_before RENAME CONSTRAINT ledger_loanday_pkey TO ledger_loanday_before_pkey;
CREATE TABLE ledger_loanday (LIKE ledger_loanday_before, CONSTRAINT ledger_loanday_pkey PRIMARY KEY (shard, "on", loan_id))
    PARTITION BY RANGE ("on");
SELECT ledger_open_month(month::date)
    FROM (SELECT DISTINCT date_trunc('month', "on") AS month FROM ledger_loanday_before ORDER BY 1) months;
INSERT INTO ledger_loanday SELECT * FROM ledger_loanday_before;
DROP TABLE ledger_loanday_before;
