"""Models on the Hugging Face Hub: downloading one, uploading a model folder.

A name is hf://user/model or hf://user/model@revision, as in the Hub's own tools, so
that a mistyped path never goes to the network. Downloads are in the Hub's cache, which
other tools fill as well (`hf download user/model`); SHA256SUMS verifies them.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq.data.hub import HUB_TIMEOUT_SECONDS, quiet_hub
from seq2seq.data.readers import one_line
from seq2seq.errors import UserError
from seq2seq.runs.model_card import with_name
from seq2seq.runs.model_folder import (
    CARD,
    FILES,
    model_files,
    shipped_model,
    unlisted_files,
)
from seq2seq.utils.console import is_quiet
from seq2seq.utils.similar_paths import missing_error

log = logging.getLogger(__name__)

_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_NAME = re.compile(rf"(hf:/{{0,2}})?({_ID})(?:@([\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOGIN = "hf auth login"


def model_path(name: str | Path) -> Path:
    """Return the folder of demo, or of hf://user/model; any other path stays as it is.

    Raises:
        UserError: If the Hub does not give the model.
    """
    path = shipped_model(name)
    text = Path(name).as_posix()
    if path.exists() or not text.startswith("hf:"):
        return path
    if not (match := _NAME.fullmatch(text)):
        raise UserError(
            f"{str(name)!r} names no model of the Hub; write hf://user/model, or "
            "hf://user/model@revision."
        )
    return download_model(match[2], revision=match[3])


def pretrained_folder(model: str | Path, *, revision: str | None = None) -> Path:
    """Return a folder, or that of a model on the Hub, with or without hf://.

    Args:
        model: The folder, demo, or user/model.
        revision: Branch, tag or commit on the Hub.

    Raises:
        UserError: If there is neither, or a folder is given a revision.
    """
    path = shipped_model(model)
    if path.exists():
        if revision is not None:
            raise UserError(
                f"{path} is a folder, which has no revision {revision!r}. Leave the "
                f"revision out, or name the Hub's model: hf://{model}"
            )
        return path
    match = _NAME.fullmatch(Path(model).as_posix())
    if not match:
        raise missing_error(path, "Name a model folder, or user/model on the Hub.")
    return download_model(match[2], revision=revision or match[3])


def download_model(repository: str, *, revision: str | None = None) -> Path:
    """Download a model folder of the Hub into its cache, or take it from there.

    Where the Hub is out of reach, or offline mode is on (HF_HUB_OFFLINE=1), the cache
    alone is read. A commit that is in the cache needs no request at all.

    Args:
        repository: user/model.
        revision: Branch, tag or commit; main if None.

    Returns:
        The folder in the cache, verified.

    Raises:
        UserError: If there is no such model or revision, neither Hub nor cache has it,
            or a file is damaged.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    if revision and ".." in revision:
        raise UserError(f"{revision!r} is no revision: it must not hold two dots.")
    fetch = partial(
        snapshot_download, repository, revision=revision, allow_patterns=list(FILES)
    )

    def cached() -> str | None:
        try:
            return fetch(local_files_only=True)
        except LocalEntryNotFoundError:
            return None

    with _hub_errors(repository), quiet_hub(bars=_shows_bars()):
        path = cached() if revision and _COMMIT.fullmatch(revision) else None
        try:
            if path is None:
                # With a time limit, which the download's first request has not.
                HfApi().model_info(
                    repository, revision=revision, timeout=HUB_TIMEOUT_SECONDS
                )
                path = fetch()
        except Exception as error:  # Of whichever HTTP library the client uses.
            path = cached() if _is_unreachable(error) else None
            if path is None:
                raise
            if not isinstance(error, OfflineModeIsEnabled):
                log.warning(
                    "%s is read from the cache, commit %s: %s",
                    repository,
                    Path(path).name[:12],
                    _reason(error),
                )
    folder = Path(path)
    try:
        model_files(folder)
    except UserError as error:
        raise UserError(
            f"{error} If {repository} is whole on the Hub, remove the copy in the "
            f"cache: {folder.parent.parent}"
        ) from error
    return folder


def push_to_hub(
    folder: str | Path,
    repository: str,
    *,
    private: bool = True,
    create_pr: bool = False,
    message: str = "Upload model",
) -> str:
    """Upload a model folder as one commit: what it holds replaces what was there.

    The card says from then on how to load the model from the Hub. Files in the
    repository that no model folder has stay.

    Args:
        folder: The model folder.
        repository: user/model, which is created if there is none.
        private: Whether the repository is private; it must be what it is already.
        create_pr: Whether to open a pull request instead; the repository must exist.
        message: Commit message.

    Returns:
        The address of the commit or the pull request.

    Raises:
        UserError: If the folder is damaged, or the Hub refuses it.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    folder, repository = Path(folder), repository_id(repository)
    names = model_files(folder)
    api = HfApi()
    with _hub_errors(repository), quiet_hub(bars=_shows_bars()):
        try:
            info = api.model_info(repository, timeout=HUB_TIMEOUT_SECONDS)
        except RepositoryNotFoundError:
            if create_pr:
                raise
            api.create_repo(repository, private=private)
        else:
            _require_visibility(repository, info.private, private)
        card = with_name((folder / CARD).read_text("utf-8"), f"hf://{repository}")
        operations: list[Any] = [
            CommitOperationAdd(name, card.encode() if name == CARD else folder / name)
            for name in names
        ]
        operations += [
            CommitOperationDelete(name, is_folder=False)
            for name in api.list_repo_files(repository)
            if name not in names and any(fnmatch(name, part) for part in FILES)
        ]
        commit = api.create_commit(
            repository, operations, commit_message=message, create_pr=create_pr
        )
    return str(commit.pr_url or commit.commit_url)


def repository_id(name: str) -> str:
    """Return user/model of user/model or hf://user/model.

    Raises:
        UserError: If it is neither.
    """
    match = _NAME.fullmatch(name)
    if not match or match[3]:
        raise UserError(
            f"{name!r} is no repository of the Hub; write user/model, in letters, "
            "digits, dots, hyphens and underscores."
        )
    return match[2]


def files_to_push(folder: Path) -> tuple[list[str], Sequence[str]]:
    """Return the names of files that would be uploaded, and of those that would not.

    Raises:
        UserError: If the folder is damaged or no model folder.
    """
    names = model_files(folder)
    return names, unlisted_files(folder, names)


def _require_visibility(repository: str, is_private: Any, private: bool) -> None:
    if bool(is_private) == private:
        return
    there, wanted = ("private", "public") if is_private else ("public", "private")
    raise UserError(
        f"{repository} is {there} on the Hub, but was to be {wanted}: push with "
        f"--{there} (in Python private={is_private}), or change its settings there."
    )


def _shows_bars() -> bool:
    return sys.stderr.isatty() and not is_quiet()


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Make one line of any exception of the Hub's client, without addresses."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # It documents few of them.
        raise UserError(_explanation(error, repository)) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of a response that an exception or its cause is about."""
    statuses = [
        getattr(getattr(cause, "response", None), "status_code", None)
        for cause in _causes(error)
    ]
    return next((int(status) for status in statuses if status is not None), None)


def _is_unreachable(error: Exception) -> bool:
    """Return whether the cache may stand in: no answer, too many requests, or 5xx."""
    status = _status(error)
    if status is None:
        return not isinstance(error, ValueError)
    return status == 429 or status >= 500


def _reason(error: BaseException) -> str:
    """Return why a request failed: a status, or a message without any address."""
    if (status := _status(error)) is not None:
        return f"the Hub answered with status {status}"
    *_, cause = _causes(error)
    text = re.sub(r"\S*://\S*|\bhf_\w+", "...", one_line(cause))
    return f"the Hub cannot be reached ({text[:160]})"


def _explanation(error: Exception, repository: str) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    for cause in _causes(error):
        if isinstance(cause, GatedRepoError):
            return (
                f"The Hub gives {repository} only to those who applied for it. Apply "
                f"on its page, and log in with: {_LOGIN}"
            )
        if isinstance(cause, RevisionNotFoundError):
            return (
                f"The Hub's model {repository} has no such revision. Correct what "
                "stands after the @, or leave it out."
            )
        if isinstance(cause, RepositoryNotFoundError):
            return (
                f"The Hub has no model {repository} that you may see. Correct the "
                f"name, or log in if it is private: {_LOGIN}"
            )
        if isinstance(cause, OSError) and cause.strerror and cause.filename:
            return f"{cause.filename}: {cause.strerror}. Mend that, and try again."
    remedies = {
        401: f"It does not know you; log in with: {_LOGIN}",
        403: f"Your token may not do that; log in with one that may: {_LOGIN}",
        429: "It has had too many requests; wait some minutes, or log in, which raises "
        f"the limit: {_LOGIN}",
    }
    remedy = remedies.get(_status(error) or 0, "Try again later.")
    if _status(error) is None:
        remedy = "Connect to the network, and try again: what has arrived is kept."
    return f"{repository}: {_reason(error)}. {remedy}"
