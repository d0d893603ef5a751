-- Every table of users' or conversations' data begins its key with whom it belongs to, the app before it:
-- `owner` is app/user, `room` is app/conversation. So the data can be distributed by that column.
-- Names are compared byte by byte: the same order on every machine, whatever its locale.

CREATE TABLE apps (
    app text COLLATE "C" PRIMARY KEY,
    epoch text NOT NULL
);

-- One row a user: the lock that numbers the timeline, its head, and the lowest seq that it still holds.
-- Updated by every commit, so each page keeps room for that and no index covers what changes.
CREATE TABLE heads (
    owner text COLLATE "C" PRIMARY KEY,
    head bigint NOT NULL,
    first bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- One row for what one commit brought to one user: the references first … last, as a MessagePack array.
CREATE TABLE entries (
    owner text COLLATE "C" NOT NULL,
    last bigint NOT NULL,
    first bigint NOT NULL,
    refs bytea NOT NULL,
    PRIMARY KEY (owner, last)
);

CREATE TABLE messages (
    room text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (room, seq)
);

-- One row a conversation: its lock and its record. `version` grows with every change of it or of its members,
-- `roster` is the version at which a member last left. No data: a row inserted only to be locked.
CREATE TABLE rooms (
    room text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    roster bigint NOT NULL,
    data bytea NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE members (
    room text COLLATE "C" NOT NULL,
    member text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (room, member)
) WITH (fillfactor = 70);

CREATE TABLE former_members (
    room text COLLATE "C" NOT NULL,
    member text COLLATE "C" NOT NULL,
    joined bigint NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (room, member, joined)
);

CREATE TABLE memberships (
    owner text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, conversation)
);

CREATE TABLE devices (
    owner text COLLATE "C" NOT NULL,
    device text COLLATE "C" NOT NULL,
    cursor bigint,
    last_seen bigint NOT NULL,
    forgotten bigint NOT NULL,
    PRIMARY KEY (owner, device)
) WITH (fillfactor = 70);

-- Idempotency keys (sender, a zero byte, client_id), a partition a day, so that forgetting them is dropping a table.
CREATE TABLE sends (
    room text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    time bigint NOT NULL,
    message_seq bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (room, key, time)
) PARTITION BY RANGE (time);

CREATE TABLE sends_other PARTITION OF sends DEFAULT;

-- Has the partitions of today and tomorrow made, and those dropped in which everything is older than `keep`.
-- `now` and `keep` in ms. Runs with its owner's rights: who serves need not own the tables.
CREATE FUNCTION turn_sends(now bigint, keep bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET client_min_messages = warning AS $$
DECLARE
    day CONSTANT bigint := 86400000;
    today CONSTANT bigint := now / day;
    part text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7526193) THEN
        RETURN;
    END IF;
    FOR number IN today .. today + 1 LOOP
        IF to_regclass('sends_' || number) IS NULL THEN
            EXECUTE format('CREATE TABLE sends_%s PARTITION OF sends FOR VALUES FROM (%s) TO (%s)',
                number, number * day, (number + 1) * day);
        END IF;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass('sends') AND c.relname ~ '^sends_[0-9]+$'
    LOOP
        IF (substr(part, 7)::bigint + 1) * day <= now - greatest(keep, day) THEN
            EXECUTE format('DROP TABLE %I', part);
        END IF;
    END LOOP;
END
$$;
