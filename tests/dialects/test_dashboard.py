"""Dashboard and alerts ask for nothing but what the service really exports."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from session_service.store.database import Database

DEPLOY = Path(__file__).parents[2] / "deploy"
GIVEN = {"instance", "job"}  # labels that Prometheus adds
METRIC = re.compile(r"\b(session_service_\w+|up)\b(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.fixture
def exported(app, alice, session_id, make_app, call_as) -> dict[str, set[str]]:
    """The names of all samples after some traffic, and the labels each of them has."""
    alice("POST", f"/sess/{session_id}/chat", {"chat_content": "hello"})
    nowhere = Database(lambda: "mongodb://127.0.0.1:9", "nowhere")
    broken = make_app(nowhere)
    call_as(broken, "1")("GET", "/sessions")
    nowhere.close()
    labels: dict[str, set[str]] = defaultdict(set)
    for each in (app, broken):
        text = each.test_client().get("/metrics").text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels[sample.name] |= set(sample.labels)
    return labels


def test_every_expression_names_metrics_and_labels_that_exist(exported):
    asked = set()
    for title, expression in expressions():
        found = METRIC.findall(expression)
        assert found, f"{title}: {expression}"
        known = set(GIVEN)
        for name, matchers in found:
            asked.add(name)
            if name == "up":  # Prometheus' own
                continue
            assert name in exported, f"{title}: {name}"
            named = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert named <= exported[name] | GIVEN, f"{title}: {named}"
            known |= exported[name]
        for grouping in GROUPING.findall(expression):
            assert set(re.split(r",\s*", grouping)) <= known, f"{title}: by ({grouping})"
    shown = {name.removesuffix("_bucket") for name in asked}
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in exported}
    assert ours <= shown, "a metric that neither dashboard nor alert looks at"


def test_legends_name_labels_that_their_expression_keeps():
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = GROUPING.findall(target["expr"])
            if grouped:
                assert legend <= set(re.split(r",\s*", grouped[0])), panel["title"]


def test_the_dashboard_asks_the_data_source_that_is_chosen():
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    for panel in dashboard["panels"]:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_the_scrape_example_sends_the_token_and_reads_the_alerts():
    example = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    (job,) = example["scrape_configs"]
    assert job["authorization"]["credentials_file"] == "session-service.token"
    assert all((DEPLOY / file).is_file() for file in example["rule_files"])
    jobs = set(re.findall(r'job="([^"]+)"', (DEPLOY / "alerts.yml").read_text()))
    assert jobs == {job["job_name"]}
