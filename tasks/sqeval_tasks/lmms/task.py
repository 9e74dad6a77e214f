"""One of lmms-eval's tasks as a task of the harness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sqeval.data.images import ImageRef
from sqeval.data.mirror import Snapshot
from sqeval.data.root import DataRoot
from sqeval.errors import DataError, UserError
from sqeval.records import Record
from sqeval.stats.metric import Metric, mean
from sqeval.task import Sample, Score, Task, WantedFile
from sqeval_tasks.lmms.aggregation import metric, numeric
from sqeval_tasks.lmms.definition import Definition, Doc, read_definition, storable
from sqeval_tasks.lmms.library import lmms_version, unchanged
from sqeval_tasks.lmms.source import SAVED, Source
from sqeval_tasks.lmms.visuals import Visuals

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class SeveralImages(ImageRef):
    """Stands for several: a question about them gets an error instead of an answer about one."""

    def open(self) -> Image.Image:
        raise ValueError(f"image {self.key}: questions about several images are not supported")


class LmmsTask(Task):
    """Prompts, scores and aggregations are lmms-eval's own functions; images, error bars and the rest are ours.

    A sample's id is the number of its row, as in lmms-eval's logs, its reference the row without images.
    """

    citation = "see the task's page in lmms-eval"
    predictions: ClassVar[tuple[tuple[str, str], ...]] = (("doc_id", "filtered_resps"), ("question_id", "text"))
    """lmms-eval's log of samples; and the usual file."""
    definition: ClassVar[Definition]
    _wrong: Mapping[str, str] = {}

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        folder, source = self._folder(root), f"a copy of the dataset {self.definition.config.dataset_path}"
        inner = f"{folder}{self.definition.config.dataset_name}/" if self.definition.config.dataset_name else folder
        saved = [place + name for place in (inner, folder) for name in SAVED if (root.path / place / name).is_file()]
        return [WantedFile(saved[0] if saved else f"{folder}**/*.parquet", source)]

    def mirrors(self) -> Mapping[str, Snapshot]:
        return {"": Snapshot(self.definition.config.dataset_path)}

    def samples(self, root: DataRoot) -> list[Sample]:
        source = Source(self.definition, root, root.path / self._folder(root))
        visuals = Visuals(self.definition.visuals, source.decoded, source.media)
        return [self._sample(number, row, source, visuals, root) for number, row in enumerate(source.rows())]

    def prompt(self, sample: Sample) -> str:
        return str(sample.metadata["prompt"])

    def gold(self, sample: Sample) -> str:
        """What lmms-eval calls the target, the first if there are several; for some tasks it is no response at all."""
        try:
            with unchanged():
                target = self.definition.target(sample.reference)
        except Exception:  # a task's own code; many never use their target
            return ""
        return str(target[0] if isinstance(target, list) and target else target)

    def score(self, response: str | None, sample: Sample) -> Score:
        """Each metric's value for this answer, where it is a number. No response is scored as the empty one."""
        said = (response or "").strip()
        results = self._results(sample.id, sample.reference, said)
        numbers = {name: numeric(value, self.definition.config.score_key) for name, value in results.items()}
        values = {name: value for name, value in numbers.items() if value is not None}
        return Score(said or None, values)

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        results = [self._results(record.id, record.reference, record.parsed or "") for record in records]
        found, self._wrong = [], {}
        for name, aggregation in self.definition.aggregations.items():
            rows = [row for row, result in enumerate(results) if name in result]
            if not rows:
                found.append(mean(name, [], [], []))
                continue
            members, items = [records[row] for row in rows], [results[row][name] for row in rows]
            made, wrong = metric(name, members, items, aggregation, self.definition.config.score_key)
            found.append(made)
            self._wrong = {**self._wrong, **({name: wrong} if wrong else {})}
        return found

    def not_computed(self) -> Mapping[str, str]:
        return self._wrong

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str | None:
        return f"{self.definition.config.dataset_path} as lmms-eval {lmms_version()} reads it"

    def _folder(self, root: DataRoot) -> str:
        """Of the dataset in the root, with a slash at its end."""
        return "" if self.name in root.copies else f"lmms/{self.definition.config.dataset_path.rpartition('/')[2]}/"

    def _sample(self, number: int, row: Doc, source: Source, visuals: Visuals, root: DataRoot) -> Sample:
        doc = storable({name: value for name, value in row.items() if name not in source.media})
        try:
            with unchanged():
                prompt, shown = self.definition.prompt(doc), visuals.of(row)
        except TypeError as error:
            raise UserError(f"{self.name}: row {number}: {error}, which cannot be asked about here") from error
        except Exception as error:  # a task's own code
            raise DataError(
                f"row {number}: {type(error).__name__}: {error}", file=root.path / self._folder(root)
            ) from error
        key = "+".join(image.key for image in shown) or None
        image = shown[0] if len(shown) == 1 else SeveralImages(key) if key else None
        question = doc.get("question")
        return Sample(
            id=str(number),
            image=image,
            question=question if isinstance(question, str) else prompt,
            reference=doc,
            cluster=key or str(number),
            metadata={"prompt": prompt},
        )

    def _results(self, key: str, doc: Doc, response: str) -> Mapping[str, Any]:
        try:
            with unchanged():
                return self.definition.results(doc, response)
        except Exception as error:  # a task's own code
            why = f"{type(error).__name__}: {error}"
            raise UserError(f"{self.name}: lmms-eval's process_results fails on sample {key}: {why}") from error


def lmms_task(name: str, file: Path) -> LmmsTask:
    """The task of a YAML file of lmms-eval. Raises UserError."""
    definition = read_definition(name, file)
    dataset = definition.config.dataset_path
    members = {
        "name": f"lmms:{name}",
        "version": f"lmms-eval {lmms_version()}, {definition.digest[:12]}",
        "description": f"lmms-eval's task {name}, as it asks and scores it; {dataset}, {definition.split}",
        "primary": next(iter(definition.aggregations)),
        "files": (WantedFile(f"lmms/{dataset.rpartition('/')[2]}/**/*.parquet", f"a copy of the dataset {dataset}"),),
        "settings": definition.settings,
        "definition": definition,
    }
    kind: type[LmmsTask] = type("LmmsTask", (LmmsTask,), {**members, "__module__": __name__})
    return kind()
