"""NoCaps: captions of images with objects that COCO's captions mention, rarely mention, or never do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object
from sqeval.data.mirror import Mirror
from sqeval.data.root import DataRoot
from sqeval.data.splits import Split, all_files, present
from sqeval.task import NOTHING, Sample, Size, WantedFile
from sqeval_tasks import llava
from sqeval_tasks.captioning import BY_IMAGE, PROMPT, Captioning, captions_by_image, images_by_id, require_captions

DOMAINS = ("in-domain", "near-domain", "out-domain")
SITE = "nocaps.org"
VAL = Split(
    "val",
    (
        WantedFile("nocaps/nocaps_val_4500_captions.json", f"{SITE}, validation captions (for val)", records=BY_IMAGE),
        WantedFile("nocaps/val/*", f"{SITE}, the images that the captions file links to, by file_name (for val)"),
    ),
    "nocaps/val",
)
TEST = Split(
    "test",
    (
        WantedFile(
            "nocaps/nocaps_test_image_info.json", f"{SITE}, test image information (for test)", records=BY_IMAGE[:1]
        ),
        WantedFile("nocaps/test/*", f"{SITE}, the images that the file links to, by file_name (for test)"),
    ),
    "nocaps/test",
    public=False,
)
SPLITS = (VAL, TEST)


class NoCaps(Captioning):
    """The validation set with its domains; where that is not there, the test set, whose answers are hidden.

    The official CIDEr of a domain is the mean over its images of scores that use the document frequencies of the
    entire set, as the evaluation server computes it. What SQ-LLaVA's release prints, each domain with frequencies of
    its own, is reported under names of its own.
    """

    name = "nocaps"
    version = "1"
    description = "one-sentence captions of novel objects, in, near and out of COCO's domain (needs Java)"
    citation = "Agrawal et al. 2019, ICCV"
    parts = "domain"
    files = all_files(SPLITS)
    splits: ClassVar[Mapping[str, str]] = {
        "val": "4,500 images: 648 in-domain, 2,938 near-domain, 914 out-domain",
        "test": "10,600 images, without captions; read where val is not there",
    }
    selectable = tuple(split.name for split in SPLITS)
    sizes: ClassVar[Mapping[str, Size]] = {"val": Size(4_500, 4_500), "test": Size(10_600, 10_600)}

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        return present(root, SPLITS).files

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.captions import NOCAPS

        return NOCAPS

    def from_llava(self, lines: Sequence[Entry], split: str | None) -> Mapping[str, Any]:
        return {TEST.questions: llava.nocaps(lines, split, self.prompt(NOTHING))}

    @paused()
    def samples(self, root: DataRoot) -> list[Sample]:
        """In the order of the file."""
        split = present(root, SPLITS)
        data = read_object(root.file(split.questions))
        images = images_by_id(data)
        if split is TEST:
            return [_sample(root, split, image, key) for key, image in images.items()]
        references = captions_by_image(data, images)
        return [_sample(root, split, image, key, references[key]) for key, image in images.items()]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return present(root, SPLITS).version


def _sample(root: DataRoot, split: Split, image: Entry, key: int, references: list[str] | None = None) -> Sample:
    """`references` None: the answers are hidden, and the domain too."""
    tags: dict[str, str] = {}
    if references is not None:
        require_captions(image, key, references)
        tags["domain"] = image.one_of("domain", DOMAINS)
    ref = image_named(root, split.images, image, "file_name")
    return Sample(id=str(key), image=ref, question=PROMPT, reference=references, cluster=ref.key, tags=tags)
