"""`python sharded_cpu.py train ...`: the `sqllava` command with FSDP2 over CPU processes.

Accelerate turns to FSDP on GPUs only. What it does then is torch's own `fully_shard`, which gloo serves as well, so
that naming the kind of distribution is all that is missing here; everything else is the code that runs on GPUs.
"""

from __future__ import annotations

from typing import Any

import accelerate
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin


class ShardingAccelerator(accelerate.Accelerator):
    """Shards the blocks of both transformers, as the packaged configuration for GPUs does."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=["LlamaDecoderLayer", "CLIPEncoderLayer"],
            reshard_after_forward=True,
            state_dict_type="FULL_STATE_DICT",
        )
        if self.mixed_precision != "no":
            plugin.set_mixed_precision(self.mixed_precision)
        self.state.fsdp_plugin = plugin
        self.state.distributed_type = DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP  # states made later copy it
        assert self.is_fsdp2


if __name__ == "__main__":
    import sqllava.training.processes
    from sqllava.cli.app import main

    sqllava.training.processes.Accelerator = ShardingAccelerator  # type: ignore[misc]
    main()
