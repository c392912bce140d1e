"""The READMEs are true: their walk works as it stands, their tables name every variable."""

import ast
import json
import re
import subprocess

import pytest

from tests.service.running import ROOT

READMES = ["README.md", "README.zh-CN.md"]


@pytest.mark.parametrize("name", READMES)
def test_the_walk_through_the_api_works_as_it_stands(shared_service, name):
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)
    assert len(blocks) == 11
    script = "set -euo pipefail\n" + "\n".join(blocks)
    script = script.replace("localhost:5003", f"127.0.0.1:{shared_service.port}")
    walked = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=shared_service.environ,
        capture_output=True,
        text=True,
    )
    assert walked.returncode == 0, walked.stderr
    answers = walked.stdout
    for message in ("创建会话成功", "获取会话列表成功", "发送消息成功", "获取聊天记录成功"):
        assert message in answers
    assert answers.count('"status":"success"') == 4
    assert_people_have_talked(answers)


def assert_people_have_talked(answers):
    """Two accounts, a text, a file, an image, three reads, a mark, a poll and its message."""
    talk = [json.loads(line) for line in answers.splitlines() if '"base_resp"' in line]
    assert [each["base_resp"]["code"] for each in talk] == [200] * 9
    text, file, image, listed, newest, older, _, *last = talk
    assert image["message"]["content"] == file["url"]
    assert listed["conversations"][0]["unread_count"] == 2
    assert newest["messages"] == [text["message"], image["message"]]
    assert older["messages"][-1] == text["message"]
    (answered,) = [each["message"] for each in last if "message" in each]
    (polled,) = [each["messages"] for each in last if "messages" in each]
    assert polled == [answered]


@pytest.mark.parametrize("name", READMES)
def test_the_configuration_table_names_every_variable(name):
    source = ast.parse((ROOT / "config.py").read_text())
    read = {
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[A-Z][A-Z_]{3,}", node.value)
    }
    text = re.split(r"^## (?:Configuration|配置)$", (ROOT / name).read_text(), flags=re.MULTILINE)[
        1
    ]
    table = re.findall(r"^\| (`[A-Z].*?) \|", text, flags=re.MULTILINE)
    documented = {each for row in table for each in re.findall(r"`([A-Z_]{4,})`", row)}
    assert documented == read
