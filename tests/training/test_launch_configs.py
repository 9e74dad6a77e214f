"""The packaged launch configurations go through Accelerate's own launcher, up to where processes would start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_sqllava as tiny
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.dataclasses import get_module_class_from_name
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from typer.testing import CliRunner

from sqllava.cli.app import app
from sqllava.training.launch import launch_names, packaged_text, summary
from sqllava.training.recipe_file import RecipeError, load_recipe, recipe_names

KINDS = {
    "ddp": DistributedType.MULTI_GPU,
    "fsdp2": DistributedType.FSDP,
    "zero2": DistributedType.DEEPSPEED,
    "zero3": DistributedType.DEEPSPEED,
}


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a configuration as the command prints it, and sets the environment that its processes would have."""

    def launch(name: str, *options: str) -> Any:
        path = tmp_path / f"{name}.yaml"
        path.write_text(CliRunner().invoke(app, ["recipe", name]).stdout)
        arguments = ["--config_file", str(path), "--main_process_port", "0", *options, "-m", "sqllava", "train", "mini"]
        args, *_ = _validate_launch_command(launch_command_parser().parse_args(arguments))
        if args.use_deepspeed:
            args.deepspeed_fields_from_accelerate_config = ""
            environment = prepare_deepspeed_cmd_env(args)[1]
        else:
            environment = prepare_multi_gpu_env(args)
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        return args

    return launch


def test_all_are_here() -> None:
    assert launch_names() == sorted(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_accelerate_reads_them(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(packaged_text(name))
    config = load_config_from_file(str(path))
    assert config.distributed_type == KINDS[name]
    assert (config.num_machines, config.num_processes) == (1, 8)


@pytest.mark.parametrize("name", KINDS)
def test_options_for_several_nodes_go_over_the_file(name: str, launched: Any) -> None:
    options = ["--num_machines", "4", "--num_processes", "32", "--machine_rank", "3", "--main_process_ip", "10.0.0.1"]
    args = launched(name, *options)
    assert (args.nnodes, args.nproc_per_node, args.node_rank) == ("4", "8", 3)
    assert args.rdzv_backend == "static"
    assert args.rdzv_endpoint.startswith("10.0.0.1:")  # which torchrun takes for the address of the first node


def test_fsdp2_wraps_the_blocks_of_both_towers(launched: Any) -> None:
    launched("fsdp2")
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert not plugin.activation_checkpointing
    model = tiny.model()
    for name in plugin.transformer_cls_names_to_wrap:
        assert get_module_class_from_name(model, name) is not None
    blocks = (model.model.language_model.layers[0], model.model.vision_tower.encoder.layers[0])
    assert {type(block).__name__ for block in blocks} == set(plugin.transformer_cls_names_to_wrap)


@pytest.mark.parametrize("stage", [2, 3])
def test_zero_leaves_clipping_and_batch_size_to_the_loop(stage: int, launched: Any) -> None:
    launched(f"zero{stage}")
    plugin = DeepSpeedPlugin()
    config = plugin.deepspeed_config
    assert config["zero_optimization"]["stage"] == stage
    assert config["gradient_accumulation_steps"] == 1
    assert config["gradient_clipping"] == config["train_micro_batch_size_per_gpu"] == "auto"
    assert not plugin.zero3_init_flag
    assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is (stage == 3)


def test_the_list_has_every_recipe_stage_and_configuration() -> None:
    listed = CliRunner().invoke(app, ["recipe"])
    assert listed.exit_code == 0, listed.output
    words = listed.stdout.split()
    assert set(recipe_names()) | set(launch_names()) <= set(words)
    assert {f"{stage.name}:" for name in recipe_names() for stage in load_recipe(name).stages} <= set(words)
    for name in (*recipe_names(), *launch_names()):
        assert len(summary(packaged_text(name))) > 20


def test_a_printed_recipe_starts_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(CliRunner().invoke(app, ["recipe", "finetune-7b"]).stdout)
    assert load_recipe(str(own)) == load_recipe("finetune-7b")


def test_an_unknown_name_tells_the_known(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"finetune-70b: not packaged; recipes: .*finetune-7b.*configurations: ddp"):
        packaged_text("finetune-70b")


def test_summary_is_the_first_sentence() -> None:
    assert summary("# One model of 1.5B. Another\n# line.\nkey: 1\n# no\n") == "One model of 1.5B."
    assert summary("# Two\n# lines: here.\n#   command\nkey: 1\n") == "Two lines: here."
    assert summary("key: 1\n") == ""
