"""Whether the files of a data set are there, without reading them: a mistyped path costs a line and not a sweep."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from optlab.data.sources import downloads, folder, hub, saved, table


def missing(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str | None:
    """What has to be downloaded first, in words; None where nothing is missing, or it cannot be told.

    Args:
        function: makes the data set; of others than ours nothing is known.
        arguments: its own.

    Raises:
        UserError: files are missing that cannot be fetched, in the words of the run that would need them.
    """
    look = LOOKS.get(function)
    return None if look is None else look(**arguments)


def of_image_folder(*, root: Any, **_: Any) -> None:
    folder.existing_folder(root)


def of_huggingface(*, path: Any, **_: Any) -> None:
    hub.existing_folder(path)


def of_arrays(*, file: Any, targets: Any = None, **_: Any) -> None:
    saved.existing(file, *saved.FILE)
    if targets is not None:
        saved.existing(targets, *saved.TARGETS_FILE)


def of_table(*, file: Any, test_file: Any = None, **_: Any) -> None:
    saved.existing(file, *table.FILE)
    if test_file is not None:
        saved.existing(test_file, *table.TEST_FILE)


def of_download(name: str, *, root: Any = "data", download: bool = True, **_: Any) -> str | None:
    return downloads.to_download(name, root, download)


LOOKS: Mapping[Callable[..., Any], Callable[..., str | None]] = {
    folder.image_folder: of_image_folder,
    hub.huggingface: of_huggingface,
    saved.saved_arrays: of_arrays,
    table.table: of_table,
    **{
        function: partial(of_download, function.__name__)
        for function in (downloads.cifar10, downloads.cifar100, downloads.mnist, downloads.fashion_mnist)
    },
}
