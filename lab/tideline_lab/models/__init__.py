"""The models: each a file, server and device, with nothing but its own idea in it."""

from .hint import HintDevice, HintServer
from .model import Model
from .numbered import NumberedDevice, NumberedServer
from .polling import PollingDevice, PollingServer
from .traditional import TraditionalDevice, TraditionalServer

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("polling", "pull by polling", PollingServer, PollingDevice),
        Model("traditional", "an inbox per device", TraditionalServer, TraditionalDevice),
        Model("hint", "push a hint, pull the message", HintServer, HintDevice),
        Model("numbered", "numbered pushes", NumberedServer, NumberedDevice),
    )
}
