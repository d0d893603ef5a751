-- Every statement over data of users and conversations. Each names the `owner` or the `room` of every table in it.

-- name: lock_rooms
-- Locks conversations in one fixed order, those that don't exist yet too: a row without data stands in for them.
INSERT INTO rooms AS r (room, version, roster, data)
SELECT n.room, 0, 0, ''::bytea FROM unnest($1::text[]) AS n (room)
ORDER BY n.room COLLATE "C"
ON CONFLICT (room) DO UPDATE SET version = r.version WHERE false

-- name: rooms
SELECT room, version, roster, data FROM rooms WHERE room = ANY ($1::text[])

-- name: members_since
-- What changed of the members after the version that is known of each conversation.
SELECT m.room, m.member, m.data
FROM unnest($1::text[], $2::bigint[]) AS n (room, version)
JOIN members m ON m.room = n.room AND m.version > n.version

-- name: placements
SELECT s.room, s.key, s.message_seq, s.seq, s.time, m.data
FROM unnest($1::text[], $2::bytea[]) AS n (room, key)
JOIN sends s ON s.room = n.room AND s.key = n.key AND s.time > $3
LEFT JOIN messages m ON m.room = s.room AND m.seq = s.message_seq

-- name: number
-- Takes numbers at the tails of timelines, which are locked in one fixed order until the transaction ends.
INSERT INTO heads AS h (owner, head)
SELECT n.owner, n.count FROM unnest($1::text[], $2::bigint[]) AS n (owner, count)
ORDER BY n.owner COLLATE "C"
ON CONFLICT (owner) DO UPDATE SET head = h.head + excluded.head
RETURNING owner, head

-- name: add_entries
INSERT INTO entries (owner, last, first, refs)
SELECT n.owner, n.last, n.first, n.refs
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) AS n (owner, last, first, refs)

-- name: put_messages
INSERT INTO messages (room, seq, data)
SELECT n.room, n.seq, n.data FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS n (room, seq, data)
ON CONFLICT (room, seq) DO UPDATE SET data = excluded.data

-- name: put_rooms
UPDATE rooms r SET version = n.version, roster = n.roster, data = n.data
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) AS n (room, version, roster, data)
WHERE r.room = n.room

-- name: drop_rooms
-- What was inserted only to be locked.
DELETE FROM rooms WHERE room = ANY ($1::text[]) AND data = ''

-- name: put_members
INSERT INTO members (room, member, version, data)
SELECT n.room, n.member, n.version, n.data
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) AS n (room, member, version, data)
ON CONFLICT (room, member) DO UPDATE SET version = excluded.version, data = excluded.data

-- name: drop_members
DELETE FROM members m USING unnest($1::text[], $2::text[]) AS n (room, member)
WHERE m.room = n.room AND m.member = n.member

-- name: add_former_members
INSERT INTO former_members (room, member, joined, last)
SELECT n.room, n.member, n.joined, n.last
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS n (room, member, joined, last)
ON CONFLICT (room, member, joined) DO UPDATE SET last = excluded.last

-- name: add_memberships
INSERT INTO memberships (owner, conversation)
SELECT n.owner, n.conversation FROM unnest($1::text[], $2::text[]) AS n (owner, conversation)
ORDER BY n.owner COLLATE "C", n.conversation COLLATE "C"
ON CONFLICT (owner, conversation) DO NOTHING

-- name: drop_memberships
DELETE FROM memberships m USING unnest($1::text[], $2::text[]) AS n (owner, conversation)
WHERE m.owner = n.owner AND m.conversation = n.conversation

-- name: add_sends
INSERT INTO sends (room, key, time, message_seq, seq)
SELECT n.room, n.key, n.time, n.message_seq, n.seq
FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[]) AS n (room, key, time, message_seq, seq)

-- name: all_rooms
-- What an app has, in order; all that begin with its name are between $1 and $2.
SELECT room, data FROM rooms WHERE room > $1 AND room < $2 AND data <> '' ORDER BY room

-- name: all_members
SELECT room, member, data FROM members WHERE room > $1 AND room < $2 ORDER BY room, member

-- name: all_messages
SELECT room, seq, data FROM messages WHERE room > $1 AND room < $2 ORDER BY room, seq

-- name: all_former_members
SELECT room, member, joined, last FROM former_members WHERE room > $1 AND room < $2 ORDER BY member, room, joined

-- name: all_sends
SELECT room, key, message_seq, seq FROM sends WHERE room > $1 AND room < $2

-- name: all_heads
SELECT owner, first, head FROM heads WHERE owner > $1 AND owner < $2 ORDER BY owner

-- name: all_entries
-- A row may also hold entries that are trimmed: `low` is the first that is not.
SELECT e.owner, e.first, e.refs, coalesce(h.first, 1) AS low
FROM entries e LEFT JOIN heads h ON h.owner = e.owner
WHERE e.owner > $1 AND e.owner < $2 ORDER BY e.owner, e.last

-- name: all_memberships
SELECT owner, conversation FROM memberships WHERE owner > $1 AND owner < $2 ORDER BY owner, conversation

-- name: former_members
SELECT member, joined, last FROM former_members WHERE room = $1 ORDER BY member, joined

-- name: indexed
SELECT m.owner IS NOT NULL
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (owner, conversation, place)
LEFT JOIN memberships m ON m.owner = n.owner AND m.conversation = n.conversation
ORDER BY n.place

-- name: entries_at
SELECT e.first, e.refs
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS n (owner, seq, place)
LEFT JOIN LATERAL (
    SELECT first, refs FROM entries WHERE owner = n.owner AND last >= n.seq ORDER BY last LIMIT 1
) AS e ON e.first <= n.seq
ORDER BY n.place

-- name: span
SELECT first, head FROM heads WHERE owner = $1

-- name: heads
SELECT owner, head FROM heads WHERE owner = ANY ($1::text[])

-- name: read
-- Rows that hold any of the `$3` numbers after `$2`, or after what is trimmed.
SELECT e.first, e.refs, p.after
FROM (SELECT greatest($2::bigint, first - 1) AS after FROM heads WHERE owner = $1) AS p
JOIN entries e ON e.owner = $1 AND e.last > p.after AND e.first <= p.after + $3::bigint
ORDER BY e.last

-- name: read_back
SELECT e.first, e.refs, p.before, p.low
FROM (
    SELECT least($2::bigint, head + 1) AS before, greatest(first, least($2::bigint, head + 1) - $3::bigint) AS low
    FROM heads WHERE owner = $1
) AS p
JOIN entries e ON e.owner = $1 AND e.last >= p.low AND e.first < p.before
ORDER BY e.last DESC

-- name: trim_head
UPDATE heads SET first = least($2::bigint, head + 1) WHERE owner = $1 AND first < $2 RETURNING first

-- name: trim_entries
DELETE FROM entries WHERE owner = $1 AND last < $2

-- name: messages
SELECT m.data
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS n (room, seq, place)
LEFT JOIN messages m ON m.room = n.room AND m.seq = n.seq
ORDER BY n.place

-- name: history
SELECT seq, data FROM messages WHERE room = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT $4

-- name: history_back
SELECT seq, data FROM messages WHERE room = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq DESC LIMIT $4

-- name: room
SELECT r.data AS conversation, m.member, m.data
FROM rooms r LEFT JOIN members m ON m.room = r.room
WHERE r.room = $1 AND r.data <> ''

-- name: memberships
SELECT r.room, r.data AS conversation, m.data
FROM unnest($1::text[], $2::text[]) AS n (room, member)
JOIN members m ON m.room = n.room AND m.member = n.member
JOIN rooms r ON r.room = n.room

-- name: conversations
SELECT conversation FROM memberships WHERE owner = $1

-- name: devices
SELECT device, cursor, last_seen, forgotten FROM devices WHERE owner = $1

-- name: put_devices
-- A device that was forgotten meanwhile, by another node, stays so unless it was seen after that.
INSERT INTO devices AS d (owner, device, cursor, last_seen, forgotten)
SELECT n.owner, n.device, n.cursor, n.last_seen, n.forgotten
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS n (owner, device, cursor, last_seen, forgotten)
ORDER BY n.owner COLLATE "C", n.device COLLATE "C"
ON CONFLICT (owner, device) DO UPDATE SET
    cursor = excluded.cursor, last_seen = excluded.last_seen, forgotten = greatest(d.forgotten, excluded.forgotten)
WHERE excluded.forgotten >= d.forgotten OR excluded.last_seen > d.forgotten

-- name: drop_devices
DELETE FROM devices d USING unnest($1::text[], $2::text[]) AS n (owner, device)
WHERE d.owner = n.owner AND d.device = n.device

-- name: forgotten
-- Devices that were forgotten after a time, of those named.
SELECT owner, device, forgotten FROM devices WHERE owner = ANY ($1::text[]) AND forgotten > $2
