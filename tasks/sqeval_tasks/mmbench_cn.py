"""MMBench in Chinese: the questions of MMBench, translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.data.mirror import Mirror
from sqeval.task import Size, WantedFile
from sqeval_tasks.mmbench import CHINESE, ROWS_BY_INDEX, MMBench


class MMBenchCN(MMBench):
    """As MMBench, with LLaVA-1.5's request in Chinese. Files go by their names, lest English ones be taken for it."""

    name = "mmbench_cn"
    version = "1"
    description = "MMBench in Chinese: right only if every rotation of the options is answered right"
    known: ClassVar[Sequence[str]] = CHINESE
    others: ClassVar[Sequence[str]] = ()
    any_name: ClassVar[bool] = False
    suffix: ClassVar[str] = "请直接回答选项字母。"
    files = (WantedFile("mmbench/*.tsv", f"open-compass/MMBench: {', '.join(CHINESE)}", records=ROWS_BY_INDEX),)
    splits: ClassVar[Mapping[str, str]] = {
        "dev": "1,164 questions in 4,329 passes",
        "test": "1,784 questions in 6,666 passes, without answers; read where no dev is there",
    }
    sizes: ClassVar[Mapping[str, Size]] = {
        "mmbench_dev_cn_20231003.tsv": Size(4_329), "mmbench_test_cn_20231003.tsv": Size(6_666),
        "MMBench_DEV_CN.tsv": Size(4_329), "MMBench_TEST_CN.tsv": Size(6_666),
    }  # fmt: skip

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.choices import MMBENCH_CN

        return MMBENCH_CN
