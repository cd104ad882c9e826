"""Marks in the formats of Label Studio and FiftyOne, to label elsewhere and to bring marks back.

Label Studio: https://labelstud.io/guide/task_format and https://labelstud.io/guide/predictions;
read are its formats JSON and JSON-MIN. FiftyOne: ``FiftyOneImageClassificationDataset`` of
https://docs.voxel51.com/user_guide/dataset_creation/datasets.html. Neither program is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from similarity_lab.errors import ImageError, InputError
from similarity_lab.files import atomic_write, skipped_table
from similarity_lab.files.output import output_folder
from similarity_lab.images.sources import content_digest, describe, printable
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.marks import Mark, Marks
from similarity_lab.relevance.tables import SiteResult

MAX_BYTES = 200 * 2**20
"""Limit on the size of a file that is read."""

LABEL_STUDIO_CONFIG = """<View>
  <Header value="$target"/>
  <Image name="image" value="$image"/>
  <Choices name="choice" toName="image" choice="single" showInLine="true">
    <Choice value="shows it" hotkey="y"/>
    <Choice value="does not" hotkey="n"/>
  </Choices>
</View>
"""
"""Labelling interface of a Label Studio project for tasks of `write_label_studio`."""

_CHOICES = {True: "shows it", False: "does not"}
_DIGEST = re.compile(r"[0-9a-f]{64}")


def write_label_studio(
    results: Iterable[SiteResult],
    file: str | PathLike[str],
    *,
    marks: Marks | None = None,
    url_of: Callable[[str], str] | None = None,
) -> Path:
    """Write the scored images as tasks for Label Studio, with predictions and marks.

    Import the file into a project with `LABEL_STUDIO_CONFIG`; `read_label_studio` reads the export.

    Parameters
    ----------
    results : iterable of SiteRelevance or SiteFailure
        Failures have no images. An image of several sites is one task per target. Images that are
        no files, or are gone, cannot be shown there and raise `InputError`.
    file : path
    marks : Marks, optional
        Written as annotations.
    url_of : callable, optional
        From the path of an image to the url that Label Studio loads, for example
        ``lambda path: f"/data/local-files/?d={path}"``. Default: the path.
    """
    tasks = []
    for result, row, digest, path in _images(results):
        probability = result.images["probability"][row]
        task: dict[str, Any] = {
            "data": {
                "image": path if url_of is None else url_of(path),
                "target": result.target,
                "site": printable(result.site),
                "sha256": digest,
                "path": path,
            }
        }
        if pd.notna(probability):
            task["predictions"] = [
                {
                    "model_version": printable(result.settings.embedder),
                    "score": float(probability),
                    "result": [_choice(bool(probability >= 0.5))],
                }
            ]
        mark = None if marks is None else marks.find(digest, result.target)
        if mark is not None:
            task["annotations"] = [{"result": [_choice(mark)]}]
        tasks.append(task)
    return _write_json(Path(file), tasks)


def read_label_studio(
    file: str | PathLike[str],
    target: str | None = None,
    *,
    labels: Mapping[str, bool] | None = None,
) -> tuple[Marks, pd.DataFrame]:
    """Read marks from an export of Label Studio (JSON or JSON-MIN).

    Parameters
    ----------
    file : path
    target : str, optional
        For tasks that do not name their target in ``data.target``.
    labels : mapping of str to bool, optional
        Further choices and whether they mean that the image shows the target.

    Returns
    -------
    marks : Marks
    skipped : DataFrame with columns path, reason
        Tasks that give no mark: not annotated, skipped by the annotator, contradictory, or of an
        image that cannot be identified.

    Raises
    ------
    InputError
        If the file is no such export, or has a choice whose meaning is unknown.
    """
    tasks = _read_json(Path(file))
    if not isinstance(tasks, list):
        raise InputError(f"{file}: expected a list of Label Studio tasks, got another content")
    meanings = {text: shows for shows, text in _CHOICES.items()} | dict(labels or {})
    marks: dict[tuple[str, str], Mark] = {}
    skipped: list[tuple[object, str]] = []
    for number, task in enumerate(tasks, start=1):
        if not isinstance(task, dict):
            raise InputError(f"{file}: task {number} is not an object")
        data = task.get("data", task)  # JSON-MIN has no level of its own for the data
        if not isinstance(data, dict):
            raise InputError(f"{file}: the data of task {number} are not an object")
        path, digest = _text(data, "path") or _text(data, "image"), _text(data, "sha256")
        name = path or f"task {number}"
        choices = _annotated(task)
        unknown = sorted(choices - set(meanings))
        if unknown:
            raise InputError(
                f"{file}: unknown choice {unknown[0]!r} in task {number}; pass "
                f"labels={{{unknown[0]!r}: True}} or False"
            )
        found = {meanings[choice] for choice in choices}
        own_target = _text(data, "target") or target or ""
        if not found:
            skipped.append((name, "not annotated"))
        elif len(found) > 1:
            skipped.append((name, "annotations contradict each other"))
        elif not own_target:
            raise InputError(f"{file}: task {number} names no target; pass target=")
        else:
            _add(marks, skipped, own_target, name, digest, path, found.pop())
    return Marks(marks), skipped_table(skipped)


def write_fiftyone(
    results: Iterable[SiteResult],
    folder: str | PathLike[str],
    *,
    marks: Marks | None = None,
) -> Path:
    """Write the scored images of one target as a dataset that FiftyOne loads.

    ``data.json`` has the path of each image by content digest, ``labels.json`` its label, null if
    it is not marked. In FiftyOne: ``fo.Dataset.from_dir(folder, dataset_type=
    fo.types.FiftyOneImageClassificationDataset, data_path="data.json")``.

    Parameters
    ----------
    results : iterable of SiteRelevance or SiteFailure
        Of one target; failures have no images.
    folder : path
        Is made if it does not exist.
    marks : Marks, optional
    """
    paths: dict[str, str] = {}
    labels: dict[str, int | None] = {}
    targets = set()
    for result, _, digest, path in _images(results):
        targets.add(result.target)
        mark = None if marks is None else marks.find(digest, result.target)
        paths[digest] = str(Path(path).absolute())
        labels[digest] = None if mark is None else int(not mark)
    if len(targets) > 1:
        raise InputError(
            f"a dataset is about one target, got {', '.join(sorted(targets))}; write a folder each"
        )
    root = output_folder(folder, "a folder for the dataset")
    classes = [name for target in targets for name in (target, f"not {target}")]
    _write_json(root / "data.json", paths)
    return _write_json(root / "labels.json", {"classes": classes, "labels": labels})


def read_fiftyone(
    folder: str | PathLike[str],
    target: str,
    *,
    labels: Mapping[str, bool] | None = None,
) -> tuple[Marks, pd.DataFrame]:
    """Read marks from a ``FiftyOneImageClassificationDataset`` folder.

    Parameters
    ----------
    folder : path
        With ``labels.json``, and ``data.json`` or a folder ``data``.
    target : str
        Its label means that an image shows it, ``"not TARGET"`` that it does not.
    labels : mapping of str to bool, optional
        Further labels and whether they mean that the image shows the target.

    Returns
    -------
    marks : Marks
    skipped : DataFrame with columns path, reason
        Entries without a label, or of images that cannot be identified.

    Raises
    ------
    InputError
        If the folder is no such dataset, or has a label whose meaning is unknown.
    """
    root = Path(folder)
    content = _read_json(root / "labels.json")
    entries = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise InputError(f"{root}: labels.json has no object 'labels'; not such a dataset")
    classes = content.get("classes")
    known_paths = _read_json(root / "data.json") if (root / "data.json").exists() else {}
    if not isinstance(known_paths, dict):
        raise InputError(f"{root}: data.json is not an object of paths")
    meanings = {target: True, f"not {target}": False} | dict(labels or {})
    marks: dict[tuple[str, str], Mark] = {}
    skipped: list[tuple[object, str]] = []
    for name, value in entries.items():
        path = known_paths.get(name)
        path = _file_named(root / "data", name) if path is None else path
        if not isinstance(path, str):
            raise InputError(f"{root}: the path of {name!r} in data.json is not a text")
        label = _label(value, classes, name, root)
        if label is None:
            skipped.append((path or name, "has no label"))
        elif label not in meanings:
            raise InputError(
                f"{root}: unknown label {label!r}; pass labels={{{label!r}: True}} or False"
            )
        else:
            digest = name if _DIGEST.fullmatch(name) else ""
            _add(marks, skipped, target, path or name, digest, path, meanings[label])
    return Marks(marks), skipped_table(skipped)


def _images(results: Iterable[SiteResult]) -> Iterator[tuple[SiteRelevance, int, str, str]]:
    """Yield the scored images: decision, row, digest and path; each content once per target."""
    seen = set()
    for result in results:
        if not isinstance(result, SiteRelevance):
            continue
        for row in result.images.index[result.images["status"] == "scored"].tolist():
            source = result.sources[row]
            if not isinstance(source, (str, PathLike)):
                raise InputError(
                    f"image {row} of {result.site} is {describe(source)}, not a file; other "
                    "programs need files"
                )
            try:
                digest = content_digest(source)
            except ImageError as error:
                raise InputError(f"{printable(str(source))}: {error.reason}") from None
            if (result.target, digest) not in seen:
                seen.add((result.target, digest))
                yield result, row, digest, printable(str(source))


def _choice(shows: bool) -> dict[str, Any]:
    value = {"choices": [_CHOICES[shows]]}
    return {"from_name": "choice", "to_name": "image", "type": "choices", "value": value}


def _annotated(task: dict[str, Any]) -> set[str]:
    """Return the choices of all annotations of a task that were not cancelled."""
    if "data" not in task:  # JSON-MIN
        choice = task.get("choice")
        choices = choice.get("choices") if isinstance(choice, dict) else choice
        return set(_texts([choices] if isinstance(choices, str) else choices))
    found: set[str] = set()
    annotations = task.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        regions = annotation.get("result")
        for region in regions if isinstance(regions, list) else []:
            value = region.get("value") if isinstance(region, dict) else None
            if isinstance(value, dict) and region.get("type") == "choices":
                found.update(_texts(value.get("choices")))
    return found


def _texts(values: object) -> list[str]:
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _label(value: object, classes: object, name: str, root: Path) -> str | None:
    """Return the label of an entry: a text, an index of the classes, or an object with a label."""
    if isinstance(value, dict):
        value = value.get("label")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(classes, list):
        names = dict(enumerate(map(str, classes)))
        if value in names:
            return names[value]
    raise InputError(f"{root}: the label of {name!r} is neither a text nor an index of the classes")


def _file_named(folder: Path, name: str) -> str:
    """Return the file of a folder whose name without ending is `name`, or ""."""
    if not folder.is_dir() or "/" in name or "\\" in name or name in ("", ".", ".."):
        return ""
    found = sorted(path for path in folder.iterdir() if name in {path.stem, path.name})
    return str(found[0]) if found else ""


def _add(
    marks: dict[tuple[str, str], Mark],
    skipped: list[tuple[object, str]],
    target: str,
    name: str,
    digest: str,
    path: str,
    shows: bool,
) -> None:
    """Add a mark by the content of its file or, if that is not here, by the digest given."""
    try:
        known = content_digest(path) if path else ""
    except ImageError as error:
        known, reason = "", error.reason
    else:
        reason = "has neither a path nor a digest"
    if known and digest and known != digest:
        skipped.append((name, "the image has changed since it was exported"))
        return
    digest = known or digest
    if not _DIGEST.fullmatch(digest):
        skipped.append((name, reason))
        return
    earlier = marks.get((target, digest))
    if earlier is not None and earlier.shows != shows:
        skipped.append((name, "the same image is marked otherwise before"))
        return
    marks[target, digest] = Mark(target, digest, shows, path if known else "")


def _read_json(file: Path) -> Any:  # noqa: ANN401
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file}: larger than the limit of {MAX_BYTES:,} bytes")
        return json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: not valid JSON ({error})") from None


def _write_json(file: Path, content: object) -> Path:
    with atomic_write(file) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return file
