from __future__ import annotations

import pytest

from sqeval.provenance import command_line
from sqeval.secrets import MASK, is_secret, mask, mask_settings


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "hf_token", "token", "openai-api-key", "db.password", "HF_TOKEN"]
)
def test_secret_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["apiKey", "hfToken", "awsSecret"])
def test_secret_names_in_camel_case(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "batch_tokens", "keyboard", "template", "key_frames", ""])
def test_names_that_only_look_alike(name: str) -> None:
    assert not is_secret(name)


def test_masking_keeps_the_rest() -> None:
    assert mask("template=v1,api_key=abc,max_tokens=5") == f"template=v1,api_key={MASK},max_tokens=5"
    assert mask("https://me:hunter2@host/x") == f"https://{MASK}@host/x"
    assert mask("results/my-run") == "results/my-run"
    assert mask_settings({"token": "x", "template": "v1", "note": "hf_abcdefghijklmnop"}) == {
        "token": MASK,
        "template": "v1",
        "note": MASK,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model-args", "api_key=SECRETSECRET,x=1"],
        ["--model-args=x=1,token=SECRETSECRET"],
        ["--model-args=token=SECRETSECRET"],
        ["--model-args", "token=SECRET=SECRET"],
        ["--api-key", "SECRETSECRET"],
        ["--hf-token=SECRETSECRET"],
        ["--ckpt", "https://user:SECRETSECRET@host/model"],
        ["--model-args", "x=sk-SECRETSECRET"],
    ],
)
def test_no_secret_of_the_command_line_is_recorded(arguments: list[str]) -> None:
    recorded = command_line(["/home/me/bin/sqeval", "run", *arguments])
    assert "SECRET" not in recorded
    assert recorded.startswith("sqeval run ")
