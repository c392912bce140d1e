"""The READMEs are true: their walk works as it stands, their tables name every variable."""

import ast
import re
import subprocess

import pytest

from tests.service.running import ROOT

READMES = ["README.md", "README.zh-CN.md"]


@pytest.mark.parametrize("name", READMES)
def test_the_walk_through_the_api_works_as_it_stands(shared_service, name):
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)
    assert len(blocks) == 6
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
