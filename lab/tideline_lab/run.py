"""Run one model under some circumstances: a server process, all devices in this one, and a look at what came of it."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from .chat import Chat
from .client import Device, Sender
from .ledger import percentile
from .models import MODELS
from .models.model import Model
from .network import Network
from .parameters import Parameters
from .process import ServerProcess
from .results import Phase, Run, Wrong
from .server import Figures, Order
from .store import Counts
from .workload import Workload, from_chat, synthetic

PATIENCE = 20
"""Heartbeats after which what has not come is taken for lost."""
GRACE = 20.0
"""Seconds that a run has in any case."""
CONNECTING = 100
"""Devices that connect at a time."""


class Bench:
    """One run: the server, the network, the devices, and the marks between its phases."""

    def __init__(
        self, model: Model, parameters: Parameters, workload: Workload, server: ServerProcess, network: Network
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.workload = workload
        self.server = server
        self.network = network
        self.devices: dict[str, list[Device]] = {
            user: [self.device(user, f"device-{place}") for place in range(parameters.devices)]
            for user in workload.users
        }
        everything = [device for devices in self.devices.values() for device in devices]
        random.Random(parameters.seed).shuffle(everything)
        online = round(len(everything) * parameters.online)
        self.online, self.offline = everything[:online], everything[online:]
        self.new: list[Device] = []
        self._mark: tuple[float, Figures, dict[str, int], dict[str, int], int]

    def device(self, user: str, name: str) -> Device:
        """Make a device that has never logged in."""
        quiet = self.parameters.poll if self.model.name == "polling" else self.parameters.heartbeat
        return Device(self.network, user, name, self.model.device, quiet / 1000)

    async def connect(self, devices: Iterable[Device]) -> None:
        """Connect devices, so many at a time."""
        at_a_time = asyncio.Semaphore(CONNECTING)

        async def connect(device: Device) -> None:
            async with at_a_time:
                await device.connect()

        await _together(connect(device) for device in devices)

    async def settle(self, devices: list[Device]) -> None:
        """Wait until devices have all that they are owed, or it is to be taken for lost; and all is acknowledged."""
        patience = GRACE + PATIENCE * self.parameters.heartbeat / 1000 if self.parameters.loss else GRACE
        try:
            async with asyncio.timeout(patience):
                await _together(device.until(_complete(device)) for device in devices)
        except TimeoutError:
            pass  # the ledger has what is missing
        await _together(device.barrier() for device in devices)

    async def mark(self) -> None:
        """Begin a phase."""
        traffic = self.network.traffic
        figures = await self.server.figures()
        self._mark = perf_counter(), figures, dict(traffic.frames), dict(traffic.bytes), self.network.lost

    async def phase(self, waits: list[float]) -> Phase:
        """End a phase; begin the next."""
        began, before, frames, sizes, lost = self._mark
        await self.mark()
        ended, after, frames_after, sizes_after, lost_after = self._mark
        waits.sort()
        wait = {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99), "max": percentile(waits, 1)}
        return Phase(
            seconds=ended - began,
            frames_down=_less(after.frames, before.frames),
            frames_up=_less(frames_after, frames),
            bytes_down=_less(after.bytes, before.bytes),
            bytes_up=_less(sizes_after, sizes),
            writes=after.writes - before.writes,
            lost=lost_after - lost,
            store=Counts(
                _less(after.store.puts, before.store.puts),
                _less(after.store.put_bytes, before.store.put_bytes),
                _less(after.store.deletes, before.store.deletes),
                _less(after.store.reads, before.store.reads),
                after.store.commits - before.store.commits,
            ),
            cpu=after.cpu - before.cpu,
            wait={name: None if value is None else value * 1000 for name, value in wait.items()},
        )

    async def speak(self) -> None:
        """Send all messages, each when it is due; new devices appear on the way, if they do before the end."""
        loop, parameters = asyncio.get_running_loop(), self.parameters
        senders = {message.sender: Sender(self.network) for _, message in self.workload.schedule}
        await _together(sender.connect() for sender in senders.values())
        appear = None if parameters.new_at in (None, 1) else int(parameters.new_at * len(self.workload.schedule))
        answers: list[asyncio.Future[None]] = []
        began = loop.time()
        for place, (due, message) in enumerate(self.workload.schedule):
            if place == appear:
                await asyncio.gather(*answers)
                await self.appear()
            if parameters.rate and (left := began + due - loop.time()) > 0:
                await asyncio.sleep(left)
            receivers = [
                device for member in self.workload.members[message.conversation] for device in self.devices[member]
            ]
            now = perf_counter()
            for device in receivers:
                device.log.owe(message.id, now)
            answers.append(senders[message.sender].send(message))
            if not parameters.rate:
                await answers[-1]
                await self.settle([device for device in receivers if device.connected])
        await asyncio.gather(*answers)
        for sender in senders.values():
            sender.close()

    async def appear(self) -> None:
        """Have every user log in on a new device."""
        self.new = [self.device(user, "new") for user in self.devices]
        await self.connect(self.new)
        for device in self.new:
            self.devices[device.user].append(device)
        await _together(device.until(_idle(device)) for device in self.new)

    def wrong(self) -> Wrong:
        """Compare what was applied with what ought to have been."""
        wrong = Wrong()
        said = {user: set[int]() for user in self.devices}
        for _, message in self.workload.schedule:
            for member in self.workload.members[message.conversation]:
                said[member].add(message.id)
        for device in (device for devices in self.devices.values() for device in devices):
            log = device.log
            wrong.lost += log.remaining
            wrong.doubled += log.doubled
            wrong.out_of_order += log.disorder
            if device in self.new:
                before = said[device.user] - log.owed.keys()
                wrong.before_new += len(before)
                wrong.missing_on_new += len(before - log.applied.keys())
        return wrong


async def run_point(
    scenario: str, axis: str, x: float, model: str, parameters: Parameters, chat: Chat, folder: Path | None = None
) -> Run:
    """Run a model; what it stores goes into a new folder inside ``folder``, and is removed.

    Raises:
        LabError: if a connection breaks or the server ends.
    """
    workload = from_chat(parameters, chat) if parameters.chat else synthetic(parameters)
    async with _server(model, parameters, workload, folder) as server:
        network = Network(
            await server.port(), round_trip=parameters.rtt / 1000, loss=parameters.loss, seed=parameters.seed
        )
        bench = Bench(MODELS[model], parameters, workload, server, network)
        await bench.connect(bench.online + bench.offline)
        for device in bench.offline:
            device.disconnect()
        await bench.mark()
        await bench.speak()
        await bench.settle(bench.online + bench.new)
        live = await bench.phase([wait for device in bench.online + bench.new for wait in device.log.waits()])
        stored_sent = await server.stored()
        login, appear = None, None
        await bench.mark()
        if bench.offline:
            began = perf_counter()
            await bench.connect(bench.offline)
            await bench.settle(bench.offline)
            ended = (max(device.log.applied.values(), default=device.welcomed) for device in bench.offline)
            login = await bench.phase([end - began for end in ended])
        if parameters.new_at == 1:
            began = perf_counter()
            await bench.appear()
            await _together(device.barrier() for device in bench.new)
            ended = (max(device.log.applied.values(), default=device.welcomed) for device in bench.new)
            appear = await bench.phase([end - began for end in ended])
        run = Run(
            scenario=scenario,
            axis=axis,
            x=x,
            model=model,
            parameters=parameters,
            messages=len(workload.schedule),
            devices=len(bench.online) + len(bench.offline),
            deliveries=sum(len(device.log.owed) for device in bench.online + bench.new),
            live=live,
            login=login,
            appear=appear,
            stored_sent=stored_sent,
            stored_end=await server.stored(),
            wrong=bench.wrong(),
        )
        for device in bench.online + bench.offline + bench.new:
            device.disconnect()
        return run


@asynccontextmanager
async def _server(
    model: str, parameters: Parameters, workload: Workload, folder: Path | None
) -> AsyncIterator[ServerProcess]:
    data = tempfile.mkdtemp(prefix="tideline-lab-", dir=folder)
    try:
        server = ServerProcess(Order(model, data, workload.members, parameters.heartbeat / 1000, parameters.sync))
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(data, ignore_errors=True)


async def _together(awaitables: Iterable[Awaitable[object]]) -> None:
    await asyncio.gather(*awaitables)


def _complete(device: Device) -> Callable[[], bool]:
    return lambda: device.log.remaining <= 0


def _idle(device: Device) -> Callable[[], bool]:
    return lambda: device.model.idle


def _less(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {kind: count - before.get(kind, 0) for kind, count in after.items() if count != before.get(kind, 0)}
