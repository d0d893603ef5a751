"""Run the scenarios of ``spec/vectors`` against the Python machine."""

import json
from pathlib import Path
from typing import Any

import msgspec

from tideline.client import inputs
from tideline.client.core import Device
from tideline.client.policy import Policy
from tideline.protocol.codec import decode_frames

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"

Json = dict[str, Any]

_local: msgspec.json.Decoder[inputs.Input] = msgspec.json.Decoder(
    inputs.Start
    | inputs.Stop
    | inputs.Connected
    | inputs.Disconnected
    | inputs.Tick
    | inputs.Pause
    | inputs.Resume
    | inputs.Submit
    | inputs.Found
    | inputs.Call
    | inputs.Cancel
    | inputs.Tell
    | inputs.Renewed
)


def read_input(value: Json) -> inputs.Input:
    """Make an input of its JSON form."""
    text = msgspec.json.encode(value)
    if value["type"] in inputs.LOCAL_INPUTS.values():
        return _local.decode(text)
    [frame] = decode_frames(text)
    return frame


def plain(outputs: Any) -> Any:
    """Return the JSON form without what a missing member says as well."""
    return _strip(json.loads(msgspec.json.encode(outputs)))


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strip(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_strip(item) for item in value]
    return value


def make_device(config: Json, random: float) -> Device:
    """Make the device that a scenario is about."""
    options = dict(config)
    policy = msgspec.convert(options.pop("policy", {}), Policy)
    return Device(random=lambda: random, policy=policy, **options)


def view(device: Device) -> Json:
    """Return what a scenario says about the device after a step."""
    position = device.sync.position
    return {
        "state": device.state,
        "cursor": position.cursor,
        "epoch": position.epoch,
        "known_head": position.known_head,
        "stash": sorted(position.stash),
        "flight": device.sync.flight,
        "outbox": list(device.outbox.items),
        "wake": device.wake(),
    }


def run(scenario: Json) -> list[Json]:
    """Run a scenario's inputs and return its steps with what really came out."""
    device = make_device(scenario["device"], scenario["random"])
    steps = []
    for step in scenario["steps"]:
        outputs = device.handle(step["now"], read_input(step["input"]))
        steps.append({**step, "outputs": plain(outputs), "after": view(device)})
    return steps
