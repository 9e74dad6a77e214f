"""`python zero_cpu.py 2|3 train ...`: the `sqllava` command with DeepSpeed's ZeRO over CPU processes.

Accelerate's launcher turns to DeepSpeed on GPUs only. DeepSpeed itself has a CPU accelerator (``DS_ACCELERATOR=cpu``),
so that its plugin and the name of the distribution are all that is missing here; everything else is the code that runs
on GPUs.
"""

from __future__ import annotations

import sys
from typing import Any

import accelerate
from accelerate.state import PartialState
from accelerate.utils import DeepSpeedPlugin, DistributedType

STAGE = int(sys.argv.pop(1))


class ZeroAccelerator(accelerate.Accelerator):
    """Set up as the packaged configurations for GPUs do."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        plugin = DeepSpeedPlugin(
            zero_stage=STAGE,
            gradient_accumulation_steps=1,
            offload_optimizer_device="none",
            offload_param_device="none",
            zero3_init_flag=False,
            zero3_save_16bit_model=STAGE == 3,
        )
        plugin.set_mixed_precision(self.mixed_precision)
        self.state.deepspeed_plugins = {"default": plugin}
        plugin.select(_from_accelerator_state=True)
        self.state.distributed_type = DistributedType.DEEPSPEED
        PartialState._shared_state["distributed_type"] = DistributedType.DEEPSPEED  # states made later copy it
        self.deepspeed_engine_wrapped = None


if __name__ == "__main__":
    import sqllava.training.processes
    from sqllava.cli.app import main

    sqllava.training.processes.Accelerator = ZeroAccelerator  # type: ignore[misc]
    main()
