"""Load datasets with the library `datasets`: from the Hub, or from a local folder."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.data.readers import one_line
from seq2seq.data.split_names import MissingSplitError
from seq2seq.errors import UserError
from seq2seq.utils.files import sha256_file

HUB_TIMEOUT_SECONDS = 10.0


class HubDataset(NamedTuple):
    """A dataset on the Hub: its id and its commit."""

    id: str
    commit: str


class LoadedSplit(NamedTuple):
    """A split that `datasets` has loaded.

    Attributes:
        dataset: A datasets.Dataset, or an IterableDataset if streaming.
        fingerprint: Changes when the rows may change.
        hub: The dataset on the Hub; None of a local folder.
    """

    dataset: Any
    fingerprint: str
    hub: HubDataset | None = None


def load_folder(
    folder: Path,
    *,
    split: str,
    config: str | None,
    known_splits: Sequence[str] = (),
    streaming: bool = False,
) -> LoadedSplit:
    """Load a split of a local folder by the conventions of the Hub, offline.

    Args:
        folder: The folder of the files.
        split: The name of the split.
        config: The configuration, if the folder's README.md defines several.
        known_splits: Further splits to list in the error about a missing one.
        streaming: Whether to stream the files instead of copying them to the cache.

    Raises:
        UserError: If there is no such split, or `datasets` cannot read it faithfully.
    """
    with quiet_hub("datasets"), _offline():
        # An absolute path is never taken for a Hub id or a file format.
        dataset = _load(
            str(folder.resolve()),
            str(folder),
            split,
            config,
            None,
            known_splits,
            streaming,
        )
    if (kind := dataset.info.builder_name) in ("csv", "text"):
        raise UserError(
            f"{folder} has the split {split!r} only as {kind} files, whose reader "
            "alters quotes and line ends. Make parallel files or TSV of them."
        )
    if streaming:
        # A stream has no fingerprint of its own: all files that may hold its rows.
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        files = [f"{n} {sha256_file(p)}" for n, p in zip(names, paths, strict=True)]
        identity = "\0".join([*files, str(config), split])
        return LoadedSplit(dataset, hashlib.sha256(identity.encode()).hexdigest())
    return LoadedSplit(dataset, str(dataset._fingerprint))


def load_hub(
    name: str,
    *,
    split: str,
    config: str | None,
    revision: str | None,
    streaming: bool = False,
) -> LoadedSplit:
    """Load a split from the Hugging Face Hub, or from the cache if it is unreachable.

    Loading scripts of datasets are never run. The Hub is queried first, in one request:
    without that, `datasets` retries for 23 seconds where there is no network.

    Raises:
        UserError: If the dataset, revision, configuration or split does not exist, or
            neither the Hub nor the cache has it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        with quiet_hub("datasets"):
            info = HfApi().dataset_info(
                name, revision=revision, timeout=HUB_TIMEOUT_SECONDS
            )
    except GatedRepoError as error:
        raise UserError(
            f"The Hub gives {name} only to those who asked for it. Ask on its page, "
            "and log in with: hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            f"The Hub's dataset {name} has no revision {revision!r}. Correct or remove "
            "data.revision."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no folder {Path(name).resolve()}, and no dataset of that name "
            "on the Hugging Face Hub that you may see. Correct data.path, or log in if "
            "the dataset is private: hf auth login"
        ) from error
    except Exception as error:  # Of whichever HTTP library huggingface_hub uses.
        return _load_cached(name, split, config, revision, error)
    with quiet_hub("datasets"):
        # The full id: some datasets have a short name as well, and `datasets` would
        # take one such as json for a file format.
        dataset = _load(info.id, name, split, config, info.sha, (), streaming)
    commit = str(info.sha) if streaming else _commit(dataset)
    fingerprint = _hub_fingerprint(info.id, dataset, split, commit)
    return LoadedSplit(dataset, fingerprint, HubDataset(info.id, str(info.sha)))


def _load_cached(
    name: str,
    split: str,
    config: str | None,
    revision: str | None,
    reason: Exception,
) -> LoadedSplit:
    """Load what an earlier run downloaded; `datasets` takes the newest copy."""
    unreachable = UserError(
        f"There is no folder {Path(name).resolve()}, the Hugging Face Hub cannot be "
        f"reached ({one_line(reason)}), and no earlier run left a copy in the cache. "
        "Correct data.path, connect to the network, or put the files into a folder."
    )
    if name.count("/") != 1:
        raise unreachable from reason
    try:
        with quiet_hub("datasets"), _offline():
            dataset = _load(name, name, split, config, None)
    except UserError as error:
        if isinstance(error.__cause__, OSError):
            raise unreachable from reason
        raise
    commit = _commit(dataset)
    if revision is not None and not commit.startswith(revision):
        raise UserError(
            f"The Hugging Face Hub cannot be reached ({one_line(reason)}), and the "
            f"cache holds {name} at {commit[:12]}, which need not be {revision!r}. "
            "Connect to the network, or remove data.revision."
        )
    fingerprint = _hub_fingerprint(name, dataset, split, commit)
    return LoadedSplit(dataset, fingerprint, HubDataset(name, commit))


def _load(
    path: str,
    name: str,
    split: str,
    config: str | None,
    revision: str | None,
    known_splits: Sequence[str] = (),
    streaming: bool = False,
) -> Any:
    """Call datasets.load_dataset; every exception becomes a UserError of one line."""
    import datasets

    try:
        return datasets.load_dataset(
            path, config, revision=revision, split=split, streaming=streaming
        )
    except Exception as error:  # It documents none of them.
        reason = one_line(error)
        if "split" in reason and "Should be one of" in reason:
            splits = re.findall(r"'([^']+)'", reason.partition("Should be one of")[2])
            raise MissingSplitError(name, split, [*splits, *known_splits]) from error
        raise UserError(
            f"{name} cannot be loaded: {reason}. Check data.path, data.config and "
            "data.splits."
        ) from error


def _commit(dataset: Any) -> str:
    """Return the commit, which is the name of the folder of the cached files."""
    paths = [Path(file["filename"]) for file in dataset.cache_files]
    return paths[0].parent.name if paths else ""


def _hub_fingerprint(name: str, dataset: Any, split: str, commit: str) -> str:
    identity = [name, str(dataset.info.config_name), commit, split]
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()


@contextmanager
def quiet_hub(*packages: str, bars: bool = False) -> Iterator[None]:
    """Silence the logs and progress bars of Hugging Face's libraries.

    Args:
        packages: Further ones than huggingface_hub.
        bars: Whether to leave progress bars as they are.
    """
    with ExitStack() as restore:
        restore.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for package in (*packages, "huggingface_hub"):
            utils = import_module(f"{package}.utils")
            level = utils.logging.get_verbosity()
            restore.callback(utils.logging.set_verbosity, level)
            utils.logging.set_verbosity(utils.logging.CRITICAL)
            if not bars and not utils.are_progress_bars_disabled():
                restore.callback(utils.enable_progress_bars)
                utils.disable_progress_bars()
        yield


@contextmanager
def _offline() -> Iterator[None]:
    """Restrict `datasets` to local files and its cache."""
    from datasets import config

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before
