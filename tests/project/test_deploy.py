"""The examples in ``deploy/`` can be read, and name settings, commands and paths that exist."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from tideline.config import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*") if path.is_file())


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def by_kind(kind: str) -> dict[str, Any]:
    (found,) = [each for each in documents("kubernetes/tideline.yaml") if each["kind"] == kind]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_setting_that_is_named_exists(name: str) -> None:
    named = {found.lower() for found in re.findall(r"TIDELINE_([A-Z_]*[A-Z])", (DEPLOY / name).read_text())}
    assert named <= {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".yaml")])
def test_the_examples_are_yaml_without_empty_documents(name: str) -> None:
    assert all(documents(name))


def test_compose_starts_nodes_only_once_the_schema_is_there() -> None:
    (compose,) = documents("compose.yaml")
    nodes = [service for name, service in compose["services"].items() if name.startswith("node")]
    assert len(nodes) == 2
    for node in nodes:
        assert node["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert int(node["stop_grace_period"].rstrip("s")) > float(node["environment"]["TIDELINE_DRAIN"]) + 10
    assert compose["services"]["migrate"]["command"][0] == "migrate"
    assert compose["services"]["migrate"]["restart"] == "no"


def test_every_kubernetes_object_is_whole() -> None:
    for each in documents("kubernetes/tideline.yaml"):
        assert {"apiVersion", "kind", "metadata"} <= each.keys()
    template = by_kind("Deployment")["spec"]["template"]
    assert by_kind("Deployment")["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert by_kind("Service")["spec"]["selector"] == template["metadata"]["labels"]


def test_kubernetes_waits_for_a_node_to_drain_and_does_not_kill_it_for_the_databases_sake() -> None:
    spec = by_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    drain = float(by_kind("ConfigMap")["data"]["TIDELINE_DRAIN"])
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] >= drain + pause + 15
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v1/info"
