"""The lab as a command: what it takes, what it leaves behind, and what it says when something is wrong."""

import asyncio
import io
import multiprocessing
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tideline_lab.chat import ARCHIVE, DAY, Line, excerpt, load, parse
from tideline_lab.client import Device
from tideline_lab.errors import LabError
from tideline_lab.ledger import Log, percentile
from tideline_lab.models.numbered import NumberedDevice
from tideline_lab.network import Network
from tideline_lab.parameters import DEVICES, Parameters, change, parse_changes
from tideline_lab.process import ServerProcess
from tideline_lab.results import SCHEMA
from tideline_lab.results import load as load_results
from tideline_lab.scenarios import SCENARIOS
from tideline_lab.server import Order
from tideline_lab.workload import from_chat, synthetic


def tideline(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tideline", "lab", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_run_leaves_results_that_the_report_turns_into_a_page_and_charts(tmp_path: Path) -> None:
    small = ["--quick", "--set", "sync=false", "--set", "messages=10"]
    ran = tideline("run", "--scenario", "devices", "--scenario", "chat", *small, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "traditional" in ran.stdout
    results = load_results(tmp_path / "lab-results.json")
    assert {(run.scenario, run.model) for run in results.runs} >= {("devices", "numbered"), ("chat", "polling")}
    assert results.quick
    reported = tideline("report", "--plots", "plots", cwd=tmp_path)
    assert reported.returncode == 0, reported.stderr
    page = (tmp_path / "lab-report.html").read_text()
    assert "With 1 device per user, 4.0 records per message against 3.0" in page
    assert not re.search(r"(src|href)=|url\(|@import|<script", page), "the page needs something from elsewhere"
    assert page.count("Not run:") == 7, "a question whose scenario was not run says so"
    files = sorted((tmp_path / "plots").iterdir())
    assert [file.name for file in files if "writes" in file.name] == ["devices-writes.svg"]
    for file in files:
        assert ElementTree.parse(file).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--scenario", "nothing"], "no scenario 'nothing'; there are devices"),
        (["run", "--model", "nothing"], "no model 'nothing'; there are polling"),
        (["run", "--set", "nothing=1"], "no parameter 'nothing'; there are devices"),
        (["report", "absent.json"], "can't read absent.json"),
    ],
)
def test_wrong_usage_is_told_in_a_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = tideline(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_scenarios_are_listed(tmp_path: Path) -> None:
    listed = tideline("scenarios", cwd=tmp_path)
    assert listed.returncode == 0
    assert all(scenario.question in listed.stdout for scenario in SCENARIOS.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss", "not of the form name=value"),
        ("loss=1", "<= 0.9"),
        ("devices=0", ">= 1"),
        ("devices=many", "Expected `int`"),
        ("group=1000", f"the limit is {DEVICES}"),
    ],
)
def test_every_change_has_its_limits(text: str, said: str) -> None:
    with pytest.raises(LabError, match=re.escape(said)):
        change(Parameters(), parse_changes([text]))


def test_the_product_does_not_need_the_lab() -> None:
    code = "import sys; import tideline.cli, tideline.app; sys.exit('tideline_lab' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=30, check=False).returncode == 0


def test_a_build_without_the_lab_says_so() -> None:
    code = "import sys; sys.modules['tideline_lab'] = None; sys.argv[1:] = ['lab', 'scenarios']; "
    code += "from tideline.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "the lab is not installed" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a lab's results"),
        ("[]", "has schema None"),
        (f'{{"schema": {SCHEMA + 1}}}', f"has schema {SCHEMA + 1}; this version reads {SCHEMA}"),
        (f'{{"schema": {SCHEMA}}}', "is not a lab's results"),
    ],
)
def test_results_of_another_form_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(LabError, match=re.escape(said)):
        load_results(tmp_path / "results.json")


async def test_a_server_that_dies_ends_the_run_with_an_error(tmp_path: Path) -> None:
    server = ServerProcess(Order("numbered", str(tmp_path / "store"), {"g:1": ["ann"]}, 1.0, False))
    network = Network(await server.port(), round_trip=0, loss=0, seed=1)
    phone = Device(network, "ann", "phone", NumberedDevice, quiet=30)
    await phone.connect()
    waiting = asyncio.ensure_future(phone.until(lambda: False))
    await phone.barrier()
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(LabError, match="dropped ann/phone"):
        await waiting
    with pytest.raises(LabError, match="no connection"):
        await phone.barrier()
    with pytest.raises(LabError, match="has ended"):
        await server.figures()
    server.stop()


def test_what_is_lost_is_decided_by_the_seed_and_the_device() -> None:
    chances = [
        Network(1, round_trip=0, loss=0.5, seed=seed).chance(name).random()
        for seed, name in ((1, "ann/phone"), (1, "ann/phone"), (2, "ann/phone"), (1, "ann/laptop"))
    ]
    assert chances[0] == chances[1]
    assert len(set(chances)) == 3


def test_every_scenario_varies_what_it_says() -> None:
    for scenario in SCENARIOS.values():
        for quick in (True, False):
            for value, parameters in scenario.points(quick=quick):
                assert getattr(parameters, scenario.axis) == value
                assert msgspec.convert(msgspec.structs.asdict(parameters), Parameters) == parameters


def test_a_workload_is_the_same_for_every_model() -> None:
    assert synthetic(Parameters(seed=3)) == synthetic(Parameters(seed=3))
    assert synthetic(Parameters(seed=3)) != synthetic(Parameters(seed=4))


def test_chat_that_names_somebody_goes_to_them_directly() -> None:
    chat = parse("[09:00] <ann> hello\n=== bea has joined\n[09:01] <bea> ann: hi\n[09:01] <ann> bob: there?\n", "test")
    assert chat.lines == [Line("ann", "", "hello"), Line("bea", "ann", "ann: hi"), Line("ann", "bob", "bob: there?")]
    workload = from_chat(Parameters(chat=True), chat)
    assert [message.conversation for _, message in workload.schedule] == ["g:ubuntu", "d:ann~bea", "g:ubuntu"]
    assert workload.members == {"g:ubuntu": ["ann", "bea"], "d:ann~bea": ["ann", "bea"]}


def test_the_whole_logs_are_used_when_they_are_there(tmp_path: Path) -> None:
    assert load(tmp_path) == excerpt()
    assert len(excerpt().lines) == 320
    text = b"[09:00] <ann> hello\n"
    with tarfile.open(tmp_path / ARCHIVE, "w:xz") as logs:
        info = tarfile.TarInfo(f"./{DAY}")
        info.size = len(text)
        logs.addfile(info, io.BytesIO(text))
    assert load(tmp_path).lines == [Line("ann", "", "hello")]


def test_logs_that_are_broken_are_told_of(tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(b"nothing of the kind")
    with pytest.raises(LabError, match="can't read"):
        load(tmp_path)


def test_the_ledger_sees_what_is_lost_doubled_and_out_of_order() -> None:
    log = Log()
    for id_ in range(4):
        log.owe(id_, now=10)

    def text(id_: int) -> msgspec.Raw:
        return msgspec.Raw(b'{"id":%d,"conversation":"g:1","sender":"a","body":"","number":%d}' % (id_, id_ + 1))

    for id_ in (0, 2, 1, 2):
        log.apply(text(id_), now=12)
    assert (log.remaining, log.doubled, log.disorder) == (1, 1, 1)
    assert log.waits() == [2, 2, 2]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1)] == [50, 99, 100]
    assert percentile([7], 0.5) == 7
    assert percentile([], 0.5) is None
