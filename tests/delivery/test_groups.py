"""Who may do what in a group, and what everyone then sees (protocol, section 4, Conversations)."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.harness.engine import Desk, desk, settled
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits

TEAM = "g:team"
REQUESTS: dict[str, dict[str, Any]] = {
    "send": {"client_id": "c", "body": {}},
    "read": {"message_seq": 1},
    "add": {"members": ["eve"]},
    "remove": {"members": ["bob"]},
    "role": {"user": "bob", "role": "admin"},
    "update": {"title": "New"},
}
QUESTIONS: dict[str, dict[str, Any]] = {"history": {}, "members": {}}


@pytest_asyncio.fixture(name="team")
async def a_team(engine: Desk) -> Desk:
    """A group whose admin is alice, and bob and carol its members."""
    await engine.do("alice", "create", conversation=TEAM, title="Team", members=["bob", "carol"])
    return engine


def last(events: list[dict[str, Any]]) -> dict[str, Any]:
    return events[-1]


# Permissions


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("conversation", [TEAM, "g:missing"])
async def test_who_is_no_member_is_forbidden_everything_whether_the_group_exists_or_not(
    team: Desk, kind: str, conversation: str
) -> None:
    head = await team.head("alice")
    with pytest.raises(RequestError) as caught:
        await team.do("mallory", kind, conversation=conversation, **REQUESTS[kind])
    assert caught.value.code == "forbidden"
    assert caught.value.message == f"not a member of {conversation}"
    assert await team.head("alice") == head
    assert await team.head("mallory") == 0


@pytest.mark.parametrize("kind", QUESTIONS)
@pytest.mark.parametrize("conversation", [TEAM, "g:missing", "d:alice~bob", "d:bob~carol"])
async def test_who_is_no_member_is_forbidden_every_question(team: Desk, kind: str, conversation: str) -> None:
    await team.say("alice", "bob")
    with pytest.raises(RequestError) as caught:
        await team.ask("mallory", kind, conversation=conversation)
    assert caught.value.code == "forbidden"
    assert caught.value.message == f"not a member of {conversation}"


@pytest.mark.parametrize("kind", ["send", "read", "update"])
async def test_a_direct_conversation_of_others_is_forbidden_whether_it_was_used_or_not(team: Desk, kind: str) -> None:
    await team.say("alice", "bob")
    fields = {"update": {"muted": True}}.get(kind) or REQUESTS[kind]
    for conversation in ("d:alice~bob", "d:bob~carol"):
        assert await team.refused("mallory", kind, conversation=conversation, **fields) == "forbidden"


@pytest.mark.parametrize("kind", ["history", "members"])
@pytest.mark.parametrize("conversation", ["d:bob~alice", "c:news", "g:", "x", "g:a b", "d:alice~alice~alice", "g:a\0b"])
async def test_what_is_no_id_is_a_bad_request_to_every_question(team: Desk, kind: str, conversation: str) -> None:
    with pytest.raises(RequestError) as caught:
        await team.ask("alice", kind, conversation=conversation)
    assert caught.value.code == "bad_request"
    assert "`conversation`" in caught.value.message


@pytest.mark.parametrize("kind", ["create", "add", "remove", "role"])
async def test_group_commands_on_a_direct_conversation_are_bad_requests(team: Desk, kind: str) -> None:
    await team.say("alice", "bob")
    fields: dict[str, Any] = {"create": {}}.get(kind, REQUESTS.get(kind, {}))
    for conversation in ("d:alice~bob", "d:alice~carol"):
        assert await team.refused("alice", kind, conversation=conversation, **fields) == "bad_request"
    assert await team.refused("alice", "update", conversation="d:alice~bob", title="x") == "bad_request"


@pytest.mark.parametrize("kind", ["add", "remove", "role", "update"])
async def test_what_only_admins_may_do_is_forbidden_to_a_member_and_changes_nothing(team: Desk, kind: str) -> None:
    heads = [await team.head(user) for user in ("alice", "bob", "carol", "eve")]
    fields = {**REQUESTS[kind], **({"members": ["carol"]} if kind == "remove" else {})}
    assert await team.refused("bob", kind, conversation=TEAM, **fields) == "forbidden"
    assert [await team.head(user) for user in ("alice", "bob", "carol", "eve")] == heads


async def test_a_member_may_not_remove_others_by_removing_itself_with_them(team: Desk) -> None:
    assert await team.refused("bob", "remove", conversation=TEAM, members=["bob", "carol"]) == "forbidden"
    assert (await team.state("carol", TEAM))["members"] == 3


async def test_one_who_was_made_admin_may_what_admins_may_and_no_longer_when_it_is_taken(team: Desk) -> None:
    await team.do("alice", "role", conversation=TEAM, user="bob", role="admin")
    assert last(await team.events("bob"))["state"]["role"] == "admin"
    await team.do("bob", "add", conversation=TEAM, members=["dave"])
    await team.do("bob", "role", conversation=TEAM, user="alice", role="member")
    assert await team.refused("alice", "add", conversation=TEAM, members=["eve"]) == "forbidden"


async def test_a_role_event_reaches_only_whom_it_is_about(team: Desk) -> None:
    heads = [await team.head(user) for user in ("alice", "bob", "carol")]
    await team.do("alice", "role", conversation=TEAM, user="bob", role="admin")
    await team.do("alice", "role", conversation=TEAM, user="bob", role="admin")  # again: nothing
    assert [await team.head(user) for user in ("alice", "bob", "carol")] == [heads[0], heads[1] + 1, heads[2]]


async def test_the_role_of_who_is_no_member_is_not_found(team: Desk) -> None:
    assert await team.refused("alice", "role", conversation=TEAM, user="eve", role="admin") == "not_found"


async def test_a_group_keeps_an_admin(team: Desk) -> None:
    assert await team.refused("alice", "role", conversation=TEAM, user="alice", role="member") == "conflict"
    await team.do("alice", "role", conversation=TEAM, user="bob", role="admin")
    await team.do("alice", "role", conversation=TEAM, user="alice", role="member")
    assert (await team.state("alice", TEAM))["role"] == "member"


# Creating


async def test_founders_all_get_their_state_and_the_creator_is_admin(engine: Desk) -> None:
    answer = await engine.do("alice", "create", conversation=TEAM, title="Team", members=["bob"])
    assert answer["state"] == {
        "conversation": TEAM,
        "kind": "group",
        "peer": None,
        "title": "Team",
        "members": 2,
        "role": "admin",
        "head": 0,
        "last_message": None,
        "read": 0,
        "unread": 0,
        "muted": False,
        "pinned": False,
        "joined": 1,
        "history": "joined",
        "first": 1,
    }
    assert await engine.events("alice") == [{"type": "conversation", "state": answer["state"]}]
    assert await engine.events("bob") == [{"type": "conversation", "state": {**answer["state"], "role": "member"}}]


async def test_the_creator_is_a_member_once_however_often_it_is_named(engine: Desk) -> None:
    answer = await engine.do("alice", "create", conversation=TEAM, members=["bob", "alice", "bob"])
    assert answer["state"]["members"] == 2
    assert len(await engine.events("bob")) == 1


async def test_the_same_creation_again_returns_the_present_state_and_stores_nothing(team: Desk) -> None:
    await team.say("bob", TEAM, "hi")
    heads = [await team.head(user) for user in ("alice", "bob", "carol")]
    again = await team.do("alice", "create", conversation=TEAM, title="Team", members=["bob", "carol"])
    assert again["state"]["head"] == 1
    assert again["state"]["last_message"]["body"]["text"] == "hi"
    other_order = await team.do("alice", "create", conversation=TEAM, title="Team", members=["carol", "bob"])
    assert other_order == again
    assert [await team.head(user) for user in ("alice", "bob", "carol")] == heads


@pytest.mark.parametrize(
    ("user", "fields"),
    [
        ("bob", {"title": "Team", "members": ["bob", "carol"]}),
        ("mallory", {"title": "Team", "members": ["bob", "carol"]}),
        ("alice", {"title": "Other", "members": ["bob", "carol"]}),
        ("alice", {"title": "Team", "members": ["bob"]}),
        ("alice", {"title": "Team", "members": ["bob", "carol"], "history": "all"}),
        ("alice", {}),
    ],
)
async def test_another_creation_of_an_existing_name_is_a_conflict(
    team: Desk, user: str, fields: dict[str, Any]
) -> None:
    assert await team.refused(user, "create", conversation=TEAM, **fields) == "conflict"


async def test_without_a_name_the_server_chooses_one_each_time(engine: Desk) -> None:
    one = await engine.do("alice", "create", title="A")
    other = await engine.do("alice", "create", title="A")
    assert one["state"]["conversation"] != other["state"]["conversation"]
    assert one["state"]["conversation"].startswith("g:")


async def test_two_creations_in_one_batch_are_one_group(engine: Desk) -> None:
    import asyncio

    answers = await asyncio.gather(*[engine.submit("alice", "create", conversation=TEAM) for _ in range(2)])
    assert answers[0] == answers[1]
    assert await engine.head("alice") == 1


# Joining and leaving


async def test_who_is_added_reads_from_then_on_and_owes_nothing(team: Desk) -> None:
    for number in range(5):
        await team.say("alice", TEAM, str(number))
    await team.do("alice", "add", conversation=TEAM, members=["dave"])
    state = await team.state("dave", TEAM)
    assert (state["joined"], state["first"], state["head"], state["read"], state["unread"]) == (6, 6, 5, 5, 0)
    assert state["last_message"] is None
    history = await team.ask("dave", "history", conversation=TEAM)
    assert (history["messages"], history["head"], history["first"], history["more"]) == ([], 5, 6, False)
    await team.say("alice", TEAM, "welcome")
    assert (await team.state("dave", TEAM))["unread"] == 1
    assert [m["message_seq"] for m in (await team.ask("dave", "history", conversation=TEAM))["messages"]] == [6]
    kinds = [event["type"] for event in await team.events("dave")]
    assert kinds == ["conversation", "member", "message"]


async def test_with_history_all_a_new_member_reads_everything_and_owes_nothing(engine: Desk) -> None:
    await engine.do("alice", "create", conversation=TEAM, members=["bob"], history="all")
    for number in range(3):
        await engine.say("alice", TEAM, str(number))
    await engine.do("alice", "add", conversation=TEAM, members=["dave"])
    state = await engine.state("dave", TEAM)
    assert (state["joined"], state["first"], state["unread"]) == (4, 1, 0)
    assert state["last_message"]["message_seq"] == 3
    history = await engine.ask("dave", "history", conversation=TEAM)
    assert [message["message_seq"] for message in history["messages"]] == [1, 2, 3]


async def test_everyone_hears_who_was_added_and_how_many_there_are(team: Desk) -> None:
    await team.do("alice", "add", conversation=TEAM, members=["dave", "bob", "eve", "dave"])
    event = {
        "type": "member",
        "conversation": TEAM,
        "added": ["dave", "eve"],
        "removed": [],
        "by": "alice",
        "members": 5,
    }
    for user in ("alice", "bob", "carol", "dave", "eve"):
        assert last(await team.events(user)) == event


async def test_adding_who_is_there_changes_nothing(team: Desk) -> None:
    heads = [await team.head(user) for user in ("alice", "bob", "carol")]
    await team.do("alice", "add", conversation=TEAM, members=["bob", "alice"])
    await team.do("alice", "add", conversation=TEAM, members=[])
    await team.do("alice", "remove", conversation=TEAM, members=["eve"])
    assert [await team.head(user) for user in ("alice", "bob", "carol")] == heads


async def test_who_is_removed_hears_of_it_last_and_can_read_nothing_more(team: Desk) -> None:
    await team.say("alice", TEAM, "before")
    await team.do("alice", "remove", conversation=TEAM, members=["bob"])
    await team.say("alice", TEAM, "after")
    await team.do("alice", "update", conversation=TEAM, title="Without bob")
    event = {"type": "member", "conversation": TEAM, "added": [], "removed": ["bob"], "by": "alice", "members": 2}
    assert last(await team.events("bob")) == event
    assert event in await team.events("carol")
    assert TEAM not in await team.states("bob")
    with pytest.raises(RequestError, match="forbidden"):
        await team.ask("bob", "history", conversation=TEAM)


async def test_who_is_added_again_begins_anew(team: Desk) -> None:
    await team.say("bob", TEAM, "1")
    await team.do("bob", "remove", conversation=TEAM, members=["bob"])
    await team.say("alice", TEAM, "2")
    await team.say("alice", TEAM, "3")
    await team.do("alice", "add", conversation=TEAM, members=["bob"])
    state = await team.state("bob", TEAM)
    assert (state["joined"], state["first"], state["read"], state["unread"]) == (4, 4, 3, 0)
    assert (state["role"], state["muted"]) == ("member", False)
    await team.say("alice", TEAM, "4")
    state = await team.state("bob", TEAM)
    assert (state["unread"], state["last_message"]["message_seq"]) == (1, 4)
    history = await team.ask("bob", "history", conversation=TEAM)
    assert ([m["message_seq"] for m in history["messages"]], history["first"]) == ([4], 4)
    seen = [event["message"]["message_seq"] for event in await team.events("bob") if event["type"] == "message"]
    assert seen == [1, 4]


async def test_leaving_and_joining_in_one_batch_begins_anew_too(team: Desk) -> None:
    import asyncio

    await team.say("alice", TEAM, "1")
    await asyncio.gather(
        team.submit("alice", "remove", conversation=TEAM, members=["bob"]),
        team.sending("alice", TEAM, "2"),
        team.submit("alice", "add", conversation=TEAM, members=["bob"]),
        team.sending("alice", TEAM, "3"),
    )
    state = await team.state("bob", TEAM)
    assert (state["joined"], state["first"], state["read"], state["head"]) == (3, 3, 2, 3)
    assert [event["type"] for event in await team.events("bob")][-4:] == ["member", "conversation", "member", "message"]


async def test_a_message_goes_to_those_who_are_members_at_its_place_in_a_batch(team: Desk) -> None:
    waiting = [
        team.sending("alice", TEAM, "1"),
        team.sending("bob", TEAM, "2"),
        team.submit("alice", "add", conversation=TEAM, members=["dave"]),
        team.sending("alice", TEAM, "3"),
        team.submit("alice", "remove", conversation=TEAM, members=["bob"]),
        team.sending("bob", TEAM, "refused"),
        team.sending("alice", TEAM, "4"),
    ]
    outcomes = await settled(waiting)
    assert len(team.commits) == 2, "the group, and all of this"
    assert outcomes[5] == "forbidden"
    for user, seen in (("alice", "1234"), ("bob", "123"), ("carol", "1234"), ("dave", "34")):
        events = await team.events(user)
        texts = [event["message"]["body"]["text"] for event in events if event["type"] == "message"]
        assert "".join(texts) == seen, user


async def test_joining_and_leaving_in_one_batch_leaves_nothing(team: Desk, tmp_path: Path) -> None:
    import asyncio

    await asyncio.gather(
        team.submit("alice", "add", conversation=TEAM, members=["dave"]),
        team.submit("dave", "remove", conversation=TEAM, members=["dave"]),
    )
    assert await team.states("dave") == {}
    assert (await team.state("alice", TEAM))["members"] == 3


async def test_a_removed_founder_of_a_batch_is_gone_after_a_restart(tmp_path: Path) -> None:
    import asyncio

    async with desk(tmp_path / "store") as before:
        await asyncio.gather(
            before.submit("alice", "create", conversation=TEAM, members=["bob", "carol"]),
            before.submit("alice", "remove", conversation=TEAM, members=["bob"]),
        )
    async with desk(tmp_path / "store") as after:
        assert await after.states("bob") == {}
        assert (await after.state("carol", TEAM))["members"] == 2


async def test_when_the_last_admin_leaves_the_longest_standing_member_becomes_one(team: Desk) -> None:
    await team.do("bob", "remove", conversation=TEAM, members=["bob"])
    await team.do("alice", "add", conversation=TEAM, members=["dave", "bob"])
    await team.do("alice", "remove", conversation=TEAM, members=["alice"])
    roles = {user: (await team.state(user, TEAM))["role"] for user in ("bob", "carol", "dave")}
    assert roles == {"bob": "member", "carol": "admin", "dave": "member"}
    assert last(await team.events("carol"))["state"]["role"] == "admin"
    assert last(await team.events("dave"))["type"] == "member"
    await team.do("carol", "update", conversation=TEAM, title="Mine")


async def test_when_the_last_admin_removes_itself_with_others_one_who_stays_becomes_admin(team: Desk) -> None:
    await team.do("alice", "remove", conversation=TEAM, members=["alice", "bob"])
    assert (await team.state("carol", TEAM))["role"] == "admin"


async def test_while_there_is_another_admin_nobody_is_promoted(team: Desk) -> None:
    await team.do("alice", "role", conversation=TEAM, user="carol", role="admin")
    await team.do("alice", "remove", conversation=TEAM, members=["alice"])
    assert (await team.state("bob", TEAM))["role"] == "member"


async def test_when_everyone_has_left_the_name_is_not_for_others(team: Desk) -> None:
    for user in ("alice", "bob", "carol"):
        await team.do(user, "remove", conversation=TEAM, members=[user])
        assert TEAM not in await team.states(user)
    assert await team.refused("mallory", "create", conversation=TEAM) == "conflict"
    assert await team.refused("alice", "send", conversation=TEAM, client_id="c", body={}) == "forbidden"


# Limits


async def test_a_group_over_its_limit_is_refused_whole(tmp_path: Path) -> None:
    async with desk(tmp_path / "store", Limits(group_members=4)) as engine:
        assert await engine.refused("alice", "create", conversation=TEAM, members=list("bcde")) == "too_large"
        assert await engine.head("b") == 0
        await engine.do("alice", "create", conversation=TEAM, members=["b", "c"])
        heads = [await engine.head(user) for user in ("alice", "b", "c", "d", "e")]
        assert await engine.refused("alice", "add", conversation=TEAM, members=["d", "e"]) == "too_large"
        assert [await engine.head(user) for user in ("alice", "b", "c", "d", "e")] == heads
        await engine.do("alice", "add", conversation=TEAM, members=["b", "c", "d"])
        assert (await engine.state("d", TEAM))["members"] == 4
        await engine.do("alice", "remove", conversation=TEAM, members=["b"])
        await engine.do("alice", "add", conversation=TEAM, members=["e"])


async def test_a_group_of_a_thousand_is_within_the_limit_and_one_more_is_not(engine: Desk) -> None:
    members = [f"user{number}" for number in range(999)]
    await engine.do("alice", "create", conversation=TEAM, members=members)
    await engine.say("alice", TEAM)
    assert (await engine.state("user998", TEAM))["unread"] == 1
    assert await engine.refused("alice", "add", conversation=TEAM, members=["one-more"]) == "too_large"


@pytest.mark.parametrize(
    ("title", "fits"), [("x" * 256, True), ("x" * 257, False), ("é" * 128, True), ("é" * 129, False)]
)
async def test_a_title_is_bounded_in_bytes(engine: Desk, title: str, fits: bool) -> None:
    if fits:
        assert (await engine.do("alice", "create", conversation=TEAM, title=title))["state"]["title"] == title
        await engine.do("alice", "update", conversation=TEAM, title="short")
        await engine.do("alice", "update", conversation=TEAM, title=title)
    else:
        assert await engine.refused("alice", "create", conversation=TEAM, title=title) == "too_large"
        await engine.do("alice", "create", conversation=TEAM)
        assert await engine.refused("alice", "update", conversation=TEAM, title=title) == "too_large"


# Update


async def test_a_new_title_reaches_everyone_as_each_sees_the_conversation(team: Desk) -> None:
    await team.do("bob", "update", conversation=TEAM, muted=True)
    await team.do("alice", "update", conversation=TEAM, title="New")
    for user, muted, role in (("alice", False, "admin"), ("bob", True, "member"), ("carol", False, "member")):
        state = last(await team.events(user))["state"]
        assert (state["title"], state["muted"], state["role"]) == ("New", muted, role)


async def test_muted_and_pinned_are_ones_own(team: Desk) -> None:
    heads = [await team.head(user) for user in ("alice", "bob", "carol")]
    await team.do("bob", "update", conversation=TEAM, muted=True, pinned=True)
    await team.do("bob", "update", conversation=TEAM, muted=True)  # again: nothing
    await team.do("bob", "update", conversation=TEAM, pinned=False)
    assert [await team.head(user) for user in ("alice", "bob", "carol")] == [heads[0], heads[1] + 2, heads[2]]
    state = await team.state("bob", TEAM)
    assert (state["muted"], state["pinned"]) == (True, False)


async def test_an_update_that_is_refused_in_part_changes_nothing(team: Desk) -> None:
    assert await team.refused("bob", "update", conversation=TEAM, muted=True, title="Mine") == "forbidden"
    assert await team.refused("alice", "update", conversation=TEAM, muted=True, title="x" * 300) == "too_large"
    assert (await team.state("bob", TEAM))["muted"] is False
    assert (await team.state("alice", TEAM))["muted"] is False


async def test_a_direct_conversation_can_be_muted_and_pinned(engine: Desk) -> None:
    await engine.say("alice", "bob")
    await engine.do("bob", "update", conversation="d:alice~bob", muted=True)
    assert (await engine.state("bob", "d:alice~bob"))["muted"] is True
    assert (await engine.state("alice", "d:alice~bob"))["muted"] is False


async def test_to_a_party_the_id_of_a_direct_conversation_alone_decides(engine: Desk) -> None:
    conversation = "d:alice~bob"
    assert await engine.do("alice", "read", conversation=conversation, message_seq=3) == {"type": "ok"}
    assert (await engine.ask("alice", "members", conversation=conversation))["members"] == []
    history = await engine.ask("alice", "history", conversation=conversation)
    assert (history["messages"], history["head"], history["first"], history["more"]) == ([], 0, 1, False)
    assert await engine.states("alice") == {}


# Members


async def test_members_come_longest_standing_first_in_pages(team: Desk) -> None:
    await team.say("alice", TEAM)
    await team.do("alice", "add", conversation=TEAM, members=["aaron", "zoe"])
    found, next_ = [], None
    while True:
        page = await team.ask("zoe", "members", conversation=TEAM, limit=2, next=next_)
        assert len(page["members"]) <= 2
        found += page["members"]
        next_ = page["next"]
        if next_ is None:
            break
    assert found == [
        {"user": "alice", "role": "admin", "joined": 1},
        {"user": "bob", "role": "member", "joined": 1},
        {"user": "carol", "role": "member", "joined": 1},
        {"user": "aaron", "role": "member", "joined": 2},
        {"user": "zoe", "role": "member", "joined": 2},
    ]


async def test_a_page_of_members_stays_within_page_bytes(tmp_path: Path) -> None:
    async with desk(tmp_path / "store", Limits(page_bytes=4096)) as engine:
        names = [f"{number:03}".ljust(64, "x") for number in range(200)]
        await engine.do("alice", "create", conversation=TEAM, members=names)
        found: list[str] = []
        next_ = None
        while True:
            page = await engine.ask("alice", "members", conversation=TEAM, limit=1000, next=next_)
            assert len(str(page)) < 4096 + 300
            found += [member["user"] for member in page["members"]]
            next_ = page["next"]
            if next_ is None:
                break
        assert found == ["alice", *names]


@pytest.mark.parametrize("next_", ["x", "e30", "WyJhIl0", "W251bGxd", "W10"])
async def test_a_next_of_members_that_the_server_did_not_make_is_a_bad_request(team: Desk, next_: str) -> None:
    with pytest.raises(RequestError, match="`next`"):
        await team.ask("alice", "members", conversation=TEAM, next=next_)
