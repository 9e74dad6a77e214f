"""One of lmms-eval's tasks without its data: its own class, so that prompts and scores are its own to the letter."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqeval.errors import UserError
from sqeval.model import Settings
from sqeval_tasks.lmms.library import lmms_module, unchanged

MODEL = "sqllava"
"""Whose ``lmms_eval_specific_kwargs`` are taken: no task has any for it, so that they are the default ones."""
MAX_NEW_TOKENS = 1024
"""For a task that sets no limit, as lmms-eval's own LLaVA adapters have it."""

Doc = dict[str, Any]
"""A row of the data, without images where it is stored."""


def read_definition(name: str, file: Path) -> Definition:
    """The task of a YAML file. Raises UserError if it cannot be read or needs what cannot be done here."""
    utils, api = lmms_module("utils"), lmms_module("api.task")
    lmms_module("api.metrics")  # whose import registers them
    with unchanged():
        try:
            config = utils.load_yaml_config(str(file), mode="full")
            _require_supported(name, config)
            return Definition(name, file, api.ConfigurableTask, config)
        except ImportError as error:
            raise UserError(f"lmms:{name} needs a package that is not installed: {error}") from error
        except UserError:
            raise
        except Exception as error:  # a task's own module fails as it likes
            raise UserError(f"lmms:{name}: {file.name} cannot be read: {type(error).__name__}: {error}") from error


class Definition:
    """What a task asks, and what it makes of an answer."""

    def __init__(self, name: str, file: Path, kind: Any, config: dict[str, Any]) -> None:
        self.name = name
        self.sources = _sources(file)
        task = kind.__new__(kind)  # its own __init__ begins with a download
        task._config = lmms_module("api.task").TaskConfig(**copy.deepcopy(config))
        task.model_name = MODEL
        task.OUTPUT_TYPE = task.config.output_type
        task._prepare_model_specific_config()
        task._prepare_metric_and_aggregation()
        task.multiple_input, task.features = 0, []
        self._task = task
        self.config = task.config
        self.aggregations: Mapping[str, Any] = task.aggregation()
        self.higher_is_better: Mapping[str, bool] = task.higher_is_better()
        self.split: str = (self.config.test_split or self.config.validation_split or "").strip()

    @property
    def settings(self) -> Settings:
        """``generation_kwargs``; greedy unless the temperature is positive, whatever ``do_sample`` says."""
        kwargs = self.config.generation_kwargs or {}
        until = kwargs.get("until") or ()
        stop = (until,) if isinstance(until, str) else tuple(until)
        limit, temperature = kwargs.get("max_new_tokens") or MAX_NEW_TOKENS, kwargs.get("temperature") or 0
        return Settings(int(limit), float(temperature), stop=tuple(text for text in stop if text))

    @property
    def digest(self) -> str:
        """SHA-256 of the task's YAML file, what that includes, and the Python files beside them."""
        whole = hashlib.sha256()
        for path in self.sources:
            whole.update(path.name.encode() + b"\0" + path.read_bytes())
        return whole.hexdigest()

    def visuals(self, doc: Doc) -> list[Any]:
        """What is shown with the question: of `doc` with its images."""
        return list(self._known(doc).doc_to_visual(doc) or ())

    def prompt(self, doc: Doc) -> str:
        """The user's turn."""
        return str(self._known(doc).fewshot_context(doc, 0))

    def target(self, doc: Doc) -> Any:
        """What its own log calls the target."""
        return self._known(doc).doc_to_target(doc)

    def results(self, doc: Doc, response: str) -> dict[str, Any]:
        """What an answer gives for each metric: a number, or what the metric's aggregation takes."""
        doc = copy.deepcopy(doc)  # some normalise answers in place
        task = self._known(doc)
        target = None if self.config.process_results is not None else task.doc_to_target(doc)
        task.multiple_target = len(target) if isinstance(target, list) else 0
        return dict(
            type(task).process_results.__wrapped__(task, doc, [self._filtered(doc, response)])
        )  # without its retries

    def _filtered(self, doc: Doc, response: str) -> str:
        if not self.config.filter_list:
            return response
        steps = [
            [step["function"], {key: value for key, value in step.items() if key != "function"}]
            for step in self.config.filter_list[0]["filter"]
        ]
        answers: Any = [[response]]
        for one in lmms_module("filters").build_filter_ensemble("only", steps).filters:
            answers = one.apply(answers, [doc])
        found = next(iter(answers))
        return found if isinstance(found, str) else str(found[0])

    def _known(self, doc: Doc) -> Any:
        self._task.features = list(doc)
        return self._task


def _require_supported(name: str, config: Mapping[str, Any]) -> None:
    """Refuse what would be done wrongly. Raises UserError."""
    kind = config.get("output_type", "generate_until")
    kwargs = config.get("generation_kwargs") or {}
    sampled = float(kwargs.get("temperature") or 0) > 0
    problems = {
        f"its answers are of type {kind}, not generate_until": kind != "generate_until",
        "it has examples in the prompt": bool(config.get("num_fewshot")),
        "it asks each question several times": (config.get("repeats") or 1) > 1,
        "it filters answers in several ways": len(config.get("filter_list") or ()) > 1,
        "it scores with the images": bool(config.get("process_results_use_image")),
        "it scores with the whole data set": bool(config.get("full_docs")),
        "it reads reasoning between tags": config.get("reasoning_tags") is not None,
        "it searches by beams": (kwargs.get("num_beams") or 1) > 1,
        "it limits what is drawn by top_p": sampled and (kwargs.get("top_p") or 1) != 1,
        "it has videos": bool((config.get("dataset_kwargs") or {}).get("video")),
        "it has no data set": not config.get("dataset_path"),
        "it has neither test nor validation split": not (config.get("test_split") or config.get("validation_split")),
    }
    found = [problem for problem, true in problems.items() if true]
    if found:
        hint = "; `lmms-eval eval --model sqllava` may do it" if kind in ("multiple_choice", "loglikelihood") else ""
        raise UserError(f"lmms:{name} cannot be run here: {', '.join(found)}{hint}")


def _sources(file: Path) -> list[Path]:
    """The YAML file, those that it includes, and the modules of their folders, in order."""
    waiting, found = [file], dict[Path, None]()
    while waiting:
        path = waiting.pop(0)
        if path in found or not path.is_file():
            continue
        found[path] = None
        included = re.findall(r"^include[ \t]*:[ \t]*['\"]?([^\s'\"#]+)", path.read_text("utf-8"), re.MULTILINE)
        waiting += [path.parent / name for name in included]
    folders = dict.fromkeys(path.parent for path in found)
    return [*found, *(module for folder in folders for module in sorted(folder.glob("*.py")))]


def storable(doc: Mapping[str, Any]) -> Doc:
    """The document as JSON has it, so that it is the same after a run was stored; bytes are left out."""
    kept = {key: value for key, value in doc.items() if not isinstance(value, bytes)}
    stored: Doc = json.loads(json.dumps(kept, default=str))
    return stored
