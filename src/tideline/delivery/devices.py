"""The devices of an app's users, as the server knows them (protocol, section 4, ``devices``).

A device owns its cursor; what is kept here is a copy that may lag. So it is written lazily: changes are gathered
and flushed together, without fsync. Only a ``forget`` is durable at once, because it refuses tokens.
"""

import time
from collections.abc import Collection
from weakref import WeakValueDictionary

from tideline.protocol.errors import RequestError
from tideline.protocol.responses import DeviceInfo
from tideline.timeline.contract import Store, StoreUnavailable
from tideline.timeline.records import Device


class Forgotten(RequestError):
    """The token was issued before its device was forgotten: close with 4403."""

    def __init__(self, device: str) -> None:
        super().__init__("unauthorized", f"device {device} was forgotten; its earlier tokens are void")


class DeviceBook:
    """Admits devices and remembers where they are."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._changed: dict[str, dict[str, Device | None]] = {}
        """By user and name, what is not written yet."""
        self._held: WeakValueDictionary[tuple[str, str], Device] = WeakValueDictionary()
        """The records that someone has from :meth:`admit`: one each, so that what one says, all know."""

    async def admit(self, user: str, name: str, issued: float) -> Device:
        """Return a device's record, made on first sight; over the limit, the longest unseen is dropped.

        ``issued`` is when the token was, in seconds since 1970.

        Raises:
            Forgotten: if the device was forgotten after the token was issued.
        """
        devices = await self._current(user)
        device = devices.get(name)
        if device is not None and issued * 1000 < device.forgotten:
            raise Forgotten(name)
        if device is None or not device.last_seen:
            device = device or Device()
            known = sorted((each.last_seen, other) for other, each in devices.items() if each.last_seen)
            for _, oldest in known[: max(0, len(known) + 1 - self._limit)]:
                self._drop(user, oldest, devices[oldest])
        self._held[user, name] = device
        self.seen(user, name, device)
        return device

    def seen(self, user: str, name: str, device: Device, cursor: int | None = None) -> None:
        """Note that a device showed itself, and where its cursor is; nothing, if it was dropped or forgotten since."""
        if self._held.get((user, name)) is not device:
            return
        device.last_seen = _now()
        if cursor is not None:
            device.cursor = cursor
        self._changed.setdefault(user, {})[name] = device

    async def listing(self, user: str, head: int, online: Collection[str]) -> list[DeviceInfo]:
        """Return the user's devices, the last seen first."""
        devices = [(name, device) for name, device in (await self._current(user)).items() if device.last_seen]
        devices.sort(key=lambda item: -item[1].last_seen)
        return [
            DeviceInfo(
                device=name,
                cursor=device.cursor,
                lag=None if device.cursor is None else max(0, head - device.cursor),
                online=name in online,
                last_seen=device.last_seen,
            )
            for name, device in devices
        ]

    async def forget(self, user: str, name: str) -> None:
        """Drop a device and refuse tokens for it that were issued before now, durably.

        Raises:
            RequestError: ``not_found``.
        """
        device = (await self._current(user)).get(name)
        if device is None or not device.last_seen:
            raise RequestError("not_found", f"no device {name}")
        self._changed.get(user, {}).pop(name, None)
        self._held.pop((user, name), None)
        await self._store.put_devices([(user, name, Device(forgotten=_now()))], durable=True)

    async def flush(self) -> None:
        """Write what has changed."""
        changed, self._changed = self._changed, {}
        rows = [(user, name, device) for user, names in changed.items() for name, device in names.items()]
        if not rows:
            return
        try:
            await self._store.put_devices(rows, durable=False)
        except StoreUnavailable:
            for user, name, device in rows:
                self._changed.setdefault(user, {}).setdefault(name, device)
            raise

    async def _current(self, user: str) -> dict[str, Device]:
        devices = await self._store.devices(user)
        for name, stored in devices.items():
            held = self._held.get((user, name))
            if held is not None and stored.forgotten <= held.forgotten:
                if stored.last_seen > held.last_seen:  # through another node
                    held.cursor, held.last_seen = stored.cursor, stored.last_seen
                devices[name] = held
        for name, device in self._changed.get(user, {}).items():
            known = devices.get(name)
            if device is None:
                devices.pop(name, None)
                continue
            if known is not None and known.forgotten > device.forgotten:
                # Through another node. What was seen of it since does not make its tokens good again.
                device.forgotten = known.forgotten
                if device.last_seen <= known.forgotten:
                    continue
            devices[name] = device
        return devices

    def _drop(self, user: str, name: str, device: Device) -> None:
        """Forget where a device was, but not that its tokens are void."""
        void = Device(forgotten=device.forgotten) if device.forgotten else None
        self._changed.setdefault(user, {})[name] = void
        self._held.pop((user, name), None)


def _now() -> int:
    return int(time.time() * 1000)
