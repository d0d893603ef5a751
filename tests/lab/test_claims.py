"""What the models are said to cost, and to get wrong, holds when they run."""

import pytest

from tideline_lab.figures import FIGURES
from tideline_lab.results import Run

from .conftest import Measure

TIMELINES = ["polling", "hint", "numbered"]
PUSHING = ["traditional", "hint", "numbered"]
ALL = ["polling", *PUSHING]


def figure(run: Run, name: str) -> float | None:
    return FIGURES[name].of(run)


def nothing_lost_or_doubled(run: Run) -> bool:
    return run.wrong.lost == 0 and run.wrong.doubled == 0


async def test_writes_per_message_grow_with_devices_for_inboxes(measure: Measure) -> None:
    for devices in (1, 4):
        run = await measure("traditional", devices=devices)
        assert figure(run, "puts") == 2 * devices
        assert figure(run, "deletes") == 2 * devices


@pytest.mark.parametrize("model", TIMELINES)
async def test_writes_per_message_do_not_grow_with_devices_for_timelines(measure: Measure, model: str) -> None:
    for devices in (1, 4):
        run = await measure(model, devices=devices)
        assert figure(run, "puts") == 1 + 2, "the message once, a reference for each of two members"
        assert figure(run, "deletes") == 0


@pytest.mark.parametrize("model", TIMELINES)
async def test_the_content_is_stored_once_however_many_members(measure: Measure, model: str) -> None:
    run = await measure(model, group=5, groups=1, devices=1, body=5000)
    assert run.live.store.puts == {"m": 10, "e": 50}
    assert run.live.store.put_bytes["e"] < 50 * 64


async def test_without_loss_a_numbered_push_is_one_frame_and_no_request(measure: Measure) -> None:
    run = await measure("numbered", rate=0)
    assert run.deliveries == 10 * 4
    assert run.live.frames_down["push"] == run.deliveries
    assert figure(run, "frames") == 1
    assert figure(run, "requests") == 0
    assert figure(run, "reads") == 0, "what is pushed is at hand"


async def test_a_hint_costs_three_frames_and_a_round_trip(measure: Measure) -> None:
    run = await measure("hint", rate=0)
    assert {run.live.frames_down[kind] for kind in ("notify", "page")} == {run.deliveries}
    assert run.live.frames_up["pull"] == run.deliveries
    assert figure(run, "frames") == 3
    assert figure(run, "requests") == 1


async def test_an_inbox_costs_a_push_an_acknowledgement_and_a_delete(measure: Measure) -> None:
    run = await measure("traditional", rate=0)
    assert run.live.frames_down["push"] == run.live.frames_up["ack"] == run.deliveries
    assert run.live.store.puts["i"] == run.live.store.deletes["i"] == run.deliveries
    assert "i" not in run.stored_end.records


async def test_many_messages_within_a_round_trip_share_a_pull(measure: Measure) -> None:
    run = await measure("hint", rate=1000, rtt=100, messages=40)
    requests = figure(run, "requests")
    assert requests is not None
    assert requests < 0.5


@pytest.mark.parametrize("model", PUSHING)
async def test_every_message_arrives_once_when_pushes_are_lost(measure: Measure, model: str) -> None:
    run = await measure(model, loss=0.4, messages=40, rate=400, heartbeat=100)
    assert run.live.lost > 0
    assert nothing_lost_or_doubled(run)


@pytest.mark.parametrize("model", TIMELINES)
async def test_timelines_keep_the_order_when_pushes_are_lost(measure: Measure, model: str) -> None:
    run = await measure(model, loss=0.4, messages=40, rate=400, heartbeat=100)
    assert run.wrong.out_of_order == 0


async def test_an_inbox_loses_the_order_when_pushes_are_lost(measure: Measure) -> None:
    run = await measure("traditional", loss=0.4, messages=40, rate=400, heartbeat=100)
    assert run.wrong.out_of_order > 0


async def test_a_numbered_push_that_is_lost_costs_a_pull(measure: Measure) -> None:
    run = await measure("numbered", loss=0.4, messages=40, rate=0, heartbeat=100)
    requests = figure(run, "requests")
    assert requests is not None
    assert 0 < requests < 1


async def test_an_inbox_gives_a_new_device_nothing_of_the_past(measure: Measure) -> None:
    run = await measure("traditional", new_at=1)
    assert run.wrong.before_new == 10 * 2
    assert run.wrong.missing_on_new == run.wrong.before_new


@pytest.mark.parametrize("model", TIMELINES)
async def test_a_timeline_gives_a_new_device_everything(measure: Measure, model: str) -> None:
    run = await measure(model, new_at=1)
    assert run.wrong.before_new == 10 * 2
    assert run.wrong.missing_on_new == 0


@pytest.mark.parametrize("model", ALL)
async def test_a_device_that_appears_in_between_gets_all_that_follows(measure: Measure, model: str) -> None:
    run = await measure(model, new_at=0.5)
    assert run.deliveries == 10 * 4 + 5 * 2
    assert nothing_lost_or_doubled(run)


@pytest.mark.parametrize("model", ALL)
async def test_devices_that_were_away_get_everything_at_login(measure: Measure, model: str) -> None:
    run = await measure(model, online=0.5, groups=1, messages=450)
    assert run.login is not None
    assert nothing_lost_or_doubled(run)
    assert run.wrong.out_of_order == 0
    assert run.login.frames_down["welcome"] == 2
    pages = run.login.frames_down.get("page", 0) + run.login.frames_down.get("push", 0)
    # 450 messages are three pages, the first of them in the welcome; a poll may also find nothing.
    assert pages == 2 * 2 or (model == "polling" and pages > 2 * 2)


async def test_inboxes_of_devices_that_are_away_fill_up(measure: Measure) -> None:
    run = await measure("traditional", online=0, devices=3)
    assert run.stored_sent.records["i"] == 10 * 2 * 3
    assert "i" not in run.stored_end.records
    assert run.deliveries == 0


@pytest.mark.parametrize("model", ALL)
async def test_real_chat_arrives(measure: Measure, model: str) -> None:
    run = await measure(model, chat=True, messages=60, devices=1, online=0.8, loss=0.05, heartbeat=200)
    assert run.messages == 60
    assert nothing_lost_or_doubled(run)
