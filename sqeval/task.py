"""The task protocol: one benchmark, one small class.

A task lists its samples from a data root, says how each is asked, scores one response by a pure function, and turns
the scored records into metrics.  The harness does the rest.  See CONTRIBUTING.md for a complete example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from sqeval.data.images import ImageRef
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import Records
from sqeval.errors import UserError
from sqeval.model import Settings
from sqeval.protocol import OFFICIAL
from sqeval.stats.metric import Metric

if TYPE_CHECKING:
    from pathlib import Path

    from sqeval.data.entry import Entry
    from sqeval.data.mirror import Mirror, Snapshot
    from sqeval.data.root import DataRoot
    from sqeval.records import Record


@dataclass(slots=True)  # not frozen, which makes making one four times as slow; none is ever changed
class Sample:
    """One question of a benchmark."""

    id: str
    """Unique within the task."""
    image: ImageRef | None
    """None for text-only questions. Opened lazily, once an image."""
    question: str
    """The question as the data has it, before any prompt is built."""
    reference: Any
    """What the answer is compared with; JSON-able."""
    cluster: str
    """Unit of independent sampling for error bars: the image, unless the benchmark says otherwise."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Breakdown cells this sample belongs to, e.g. ``{"answer_type": "yes/no"}``; kept in the record."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the prompt or the scorer needs (choices, hints, ...); not kept in the record."""


NOTHING = Sample("", None, "", None, "")
"""A sample that asks nothing: its prompt is the request that a task adds to every question."""


@dataclass(slots=True)  # not frozen, which makes making one four times as slow; none is ever changed
class Score:
    """Outcome of scoring one response. `parsed` None: no answer could be read from it (counted as unparsed)."""

    parsed: str | None
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that a task reads under the data root, and where people get it."""

    path: str
    """Relative to the data root; a glob pattern is allowed."""
    source: str
    """Where it comes from: the benchmark's site or file name, in words."""
    required: bool = True
    records: tuple[Records, ...] = ()
    """Of data files that can be cut: where the records are, and whose."""

    @property
    def folder(self) -> str | None:
        """Of images, which may lie elsewhere: the folder before the first wildcard. None for files of data.

        Images are what a pattern names without a suffix, or with that of an image: ``coco/val2014/COCO_val2014_*``.
        """
        if "*" not in self.path or PurePosixPath(self.path).suffix.lower() not in ("", ".jpg", ".jpeg", ".png"):
            return None
        return self.path.partition("*")[0].rpartition("/")[0]


class Size(NamedTuple):
    """How large a benchmark, or one version of it, officially is."""

    samples: int
    images: int | None = None
    """None: not published."""


class Task(ABC):
    """Base of every benchmark plugin. Subclasses set the class variables and implement the abstract methods."""

    name: ClassVar[str]
    version: ClassVar[str]
    """Raised whenever a prompt or a score can change."""
    description: ClassVar[str]
    """One line."""
    citation: ClassVar[str]
    """Authors, year, venue."""
    primary: ClassVar[str]
    """Name of the metric shown in tables."""
    measure: ClassVar[str] = ""
    """What that metric is, in the words of papers, for the legends of tables; empty if its name says it."""
    files: ClassVar[tuple[WantedFile, ...]]
    splits: ClassVar[Mapping[str, str]] = {}
    """Official splits and their sizes, in words, for `sqeval tasks show`."""
    selectable: ClassVar[Sequence[str]] = ()
    """Names that ``--split`` takes, in the order in which a data root is searched for them; empty: there is one."""
    sizes: ClassVar[Mapping[str, Size]] = {}
    """Official sizes by data version: a name that `data_version` begins with, or any if there is but one."""
    settings: Settings = Settings()
    """How its questions are answered; of a class, as the protocol says."""
    protocol: ClassVar[str] = OFFICIAL
    """Whose evaluation this is. Another protocol's is a subclass, registered under the same name in the protocol's
    group."""
    differs: ClassVar[Mapping[str, str]] = {}
    """How the protocol departs from the official one, in words, by what does (`sqeval.protocol.ASPECTS`)."""
    image_aspect_ratio: ClassVar[str | None] = None
    """How images have to be made square, ``pad`` or ``crop``; None: as the model is set up."""
    predictions: ClassVar[tuple[tuple[str, str], ...]] = (("question_id", "text"),)
    """(id field, text field) pairs of the files of responses that `sqeval score` accepts for this task."""
    results: ClassVar[tuple[tuple[str, str], ...]] = ()
    """The same for official result files, if their answers are final: they are read as `Verbatim`."""

    llava_file: ClassVar[Literal[".jsonl", ".json"]] = ".jsonl"
    """LLaVA's question file has an object a line, or is a list of objects."""

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        """Those of `files` that matter for what `root` holds: a benchmark of several splits reads the files of one."""
        return self.files

    def require(self) -> None:
        """Raise UserError if scoring needs something that this machine lacks. Called before anything is asked."""
        return

    def not_computed(self) -> Mapping[str, str]:
        """Metrics that this machine cannot compute, and what each lacks: told with the results, never left silent."""
        return {}

    @abstractmethod
    def samples(self, root: DataRoot) -> list[Sample]:
        """All samples, in the official order. Raises DataError for missing files and malformed records."""

    def mirrors(self) -> Mapping[str, Mirror | Snapshot | str]:
        """Mirrors on the Hugging Face hub by split ("" if there is but one), the usual one first; or why a mirror
        cannot stand in for the official files."""
        return {}

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        """The sample as a line of LLaVA's question files; `position` is that among all samples, from 0.

        Raises UserError if LLaVA has no question file of the benchmark.
        """
        line: dict[str, Any] = {"question_id": sample.id}
        if sample.image is not None:
            line["image"] = PurePosixPath(sample.image.key).name
        return {**line, "text": self.prompt(sample), "category": "default"}

    def from_llava(self, lines: Sequence[Entry], split: str | None) -> Mapping[str, Any]:
        """JSON of official files by path under the data root, made of the lines of LLaVA's question file.

        Only for splits whose answers are hidden: such files hold none. Raises UserError for others, DataError.
        """
        raise UserError(
            f"{self.name}: LLaVA's question files hold no answers, so that nothing could be scored; "
            "take the official files"
        )

    @abstractmethod
    def prompt(self, sample: Sample) -> str:
        """The user's turn, to the letter of the protocol, without template or image placeholder."""

    @abstractmethod
    def gold(self, sample: Sample) -> str:
        """A response that scores best: what an oracle would say. Used by baselines and by tests.

        The empty response where the answers are not public.
        """

    @abstractmethod
    def score(self, response: str | None, sample: Sample) -> Score:
        """Score one response. Pure. None means that there is no response (an error): everything is wrong.

        What the protocol does to a response before it is submitted must not be done to a `Verbatim` one.
        """

    @abstractmethod
    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """Metrics and breakdowns from records alone (no data root), the primary one first."""

    def corpus_scores(
        self, records: Sequence[Record], samples: Sequence[Sample]
    ) -> Sequence[Mapping[str, float]] | None:
        """Per-record scores that need the whole corpus (captioning), aligned with `records`; merged into them.

        Called once, when every sample has been answered. `samples` is the task's *full* sample list, so that corpus
        statistics such as CIDEr's document frequencies do not depend on ``--limit``.
        """
        return None

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """Predictions file -> response text by sample id, `Verbatim` where it is a final answer.

        The default reads the formats of `predictions` and `results` by id. Raises DataError unless there is one
        prediction for each sample; `allow` says what may be otherwise.
        """
        from sqeval.data.predictions import read_by_id

        return read_by_id(path, self.predictions, {s.id for s in samples}, final=self.results, allow=allow)

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str | None:
        """Which of the benchmark's data versions `samples`, all of the task, are; None if there is only one."""
        return None

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes] | None:
        """File for the benchmark's evaluation server: (suffix such as ``.json``, content), or None.

        Called when all samples were asked: servers refuse a part.
        """
        return None

    def other_submissions(self, records: Sequence[Record]) -> Mapping[str, bytes]:
        """Files for the server's further challenges about the same answers: content by suffix (``.name.json``)."""
        return {}
