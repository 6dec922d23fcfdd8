"""Saving a workspace: looked at beforehand, so that it neither asks for a key nor waits for a host that is away."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import wandb
import wandb_workspaces.workspaces as ws

from optlab.errors import UserError
from optlab.tracking.guard import answers
from optlab.tracking.wandb import default_url, has_key

SAVE_SECONDS = 60.0

T = TypeVar("T")


def check_login() -> str:
    """The address of W&B's server, where there is a key for it and it answers a short probe.

    Raises:
        UserError: there is no key, or the host does not answer.
    """
    url = os.environ.get("WANDB_BASE_URL") or default_url()
    if not has_key(url):
        raise UserError("saving needs a login: type wandb login (or set WANDB_API_KEY); --dry-run needs none")
    if not answers(url):
        raise UserError(f"{urlsplit(url).hostname} does not answer, so nothing was saved; --dry-run needs no network")
    return url


def default_entity() -> str:
    """The entity of the account that is logged in.

    Raises:
        UserError: the account has none, or W&B does not say.
    """
    entity = in_time(lambda: wandb.Api().default_entity)
    if not entity:
        raise UserError("the account has no default entity; type --entity NAME")
    return str(entity)


def save(workspace: ws.Workspace) -> str:
    """Save a new view in one request, and return its address.

    Raises:
        UserError: W&B refused it, or did not answer in time.
    """

    def send() -> str:
        workspace.save()  # type: ignore[no-untyped-call]
        return str(workspace.url)

    return in_time(send)


def in_time(action: Callable[[], T]) -> T:
    """What the action returns; whatever W&B raises, and more than a minute, is one line."""
    results: list[T] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(action())
        except Exception as error:  # whatever it is: the caller says it
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(SAVE_SECONDS)
    if results:
        return results[0]
    if errors:
        said = " ".join(str(errors[0]).split())
        raise UserError(f"W&B did not take it ({type(errors[0]).__name__}: {said})") from errors[0]
    raise UserError(f"W&B has not answered for {SAVE_SECONDS:g} s; look there whether the workspace was saved")
