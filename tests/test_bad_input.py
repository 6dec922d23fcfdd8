"""Bad input costs one clear line, exit code 1, no traceback, and leaves nothing behind."""

import pickle
import re
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optlab.record import RunRecord
from tests.commandline import command
from tests.conftest import Train, words_of

# What is typed, and what the line must name: the value, what is allowed, what to type.
MISTAKES = {
    "unknown_option": (["optimizer=adamm"], ["optimizer=adamm", "adam, adamax", "did you mean optimizer=adam?"]),
    "custom_without_class": (["optimizer=custom"], ["optimizer._target_=package.Class", "conf/optimizer/custom.yaml"]),
    "study_as_one_run": (["experiment=compare_digits"], ["python train.py -m experiment=compare_digits"]),
    "config_of_many_runs": (["-m", "--cfg", "job"], ["-m with --cfg", "leave -m out"]),
    "misspelt_study_setting": (
        ["-m", "hydra/sweeper=study", "hydra.sweeper.trails=3"],
        ["'trails'", "trials, tuning_seeds", "did you mean hydra.sweeper.trials?"],
    ),
    "misspelt_setting_of_a_preset": (
        ["-m", "experiment=compare_digits", "hydra.sweeper.trails=3"],
        ["did you mean hydra.sweeper.trials?"],
    ),
    "study_setting_of_a_grid": (
        ["-m", "seed=0,1", "hydra.sweeper.stopping=halving"],
        ["hydra.sweeper.stopping=halving: stopping is a setting of a study", "type hydra/sweeper=study"],
    ),
    "study_setting_alone": (
        ["-m", "hydra/sweeper=study", "stopping=halving"],
        ["stopping: there is no such key", "did you mean hydra.sweeper.stopping?"],
    ),
    "launcher_setting_alone": (["-m", "seed=0,1", "n_jobs=8"], ["did you mean hydra.launcher.n_jobs?"]),
    "workers_of_basic": (
        ["-m", "seed=0,1", "hydra/launcher=basic", "hydra.launcher.n_jobs=8"],
        ["hydra.launcher.n_jobs=8: hydra/launcher=basic", "one run after the other", "leave it out for auto"],
    ),
    "misspelt_launcher": (
        ["-m", "seed=0,1", "hydra/launcher=joblb"],
        ["hydra/launcher=joblb: there is no such launcher", "basic, ", "did you mean hydra/launcher=joblib?"],
    ),
    "unknown_engine": (["engine=grph"], ["engine=grph", "graph", "eager"]),
    "graph_without_gpu": (["engine=graph"], ["engine=graph needs an NVIDIA GPU", "engine=auto"]),
    "unknown_dataset": (["dataset=cifr10"], ["cifar10, cifar100, digits", "did you mean dataset=cifar10?"]),
    "misspelt_argument": (["optimizer.beta=0.9"], ["no 'beta'", "lr, betas, eps", "optimizer.betas"]),
    "argument_of_another": (["optimizer=sgd", "optimizer.betas=[0.9,0.99]"], ["no 'betas'", "momentum"]),
    "argument_forced_in": (["+optimizer.beta=0.9"], ["'beta'", "Adam", "betas"]),
    "unknown_key": (["batchsize=32"], ["batchsize", "batch_size"]),
    "misspelt_key_of_the_report": (["report.liv=true"], ["report has no 'liv'", "did you mean report.live?"]),
    "misspelt_key_of_a_callback": (
        ["callbacks=predictions", "callbacks.predictions.wurst=3"],
        ["no 'wurst'", "did you mean callbacks.predictions.worst?"],
    ),
    "tracker_that_is_not_chosen": (["logger.wandb.project=foo"], ["logger=none has no wandb; type logger=wandb"]),
    "callback_that_is_not_chosen": (["callbacks.predictions.worst=50"], ["type callbacks=predictions"]),
    "unknown_trainer_key": (["trainer.max_epoch=3"], ["max_epoch", "trainer.max_epochs"]),
    "negative_lr": (["optimizer.lr=-0.1"], ["optimizer.lr=-0.1", "0 or more"]),
    "number_that_would_be_zero": (["optimizer.lr=1e-400"], ["optimizer.lr=1e-400", "would be 0", "type 0 or 1e-300"]),
    "number_that_would_be_infinite": (["optimizer.eps=1e400"], ["optimizer.eps=1e400", "too large", "1e308"]),
    "zero_among_several": (["-m", "optimizer.lr=0.1,1e-400"], ["optimizer.lr=0.1,1e-400", "1e-400 is too small"]),
    "zero_in_a_list": (["optimizer.betas=[0.9,.00_1E-400]"], ["optimizer.betas=", ".00_1E-400 is too small"]),
    "infinite_new_key": (["+model.scale={a:-1e999}"], ["+model.scale={a:-1e999}", "-1e999 is too large"]),
    "text_for_lr": (["optimizer.lr=fast"], ["optimizer.lr=fast", "a number"]),
    "text_for_size": (["dataset.val_size=some"], ["dataset.val_size=some", "number"]),
    "text_for_batch": (["batch_size=big"], ["batch_size=big", "a whole number"]),
    "schedule_or_rate": (["lr=0.01"], ["lr=0.01", "cosine", "type optimizer.lr=0.01"]),
    "no_epochs": (["trainer.max_epochs=0"], ["trainer.max_epochs=0", "1 or more"]),
    "negative_seed": (["seed=-1"], ["seed=-1", "0 or more"]),
    "large_batch": (["batch_size=5000"], ["batch_size=5000", "1,293 training samples", "batch_size=1293"]),
    "no_override": (["adam"], ["adam", "optimizer=adam"]),
    "half_an_override": (["optimizer="], ["optimizer="]),
    "no_threads": (["trainer.threads=0"], ["trainer.threads=0", "1 or more"]),
    "part_of_a_thread": (["trainer.threads=1.5"], ["trainer.threads=1.5", "a whole number"]),
    "threads_in_words": (["trainer.threads=all"], ["trainer.threads=all", "a whole number", "null"]),
    "no_gpu": (["trainer=gpu"], ["no GPU", "trainer=cpu"]),
    "no_mps": (["trainer=mps"], ["no Apple GPU", "trainer=cpu"]),
    "unknown_precision": (["trainer.precision=8"], ["trainer.precision=8", "bf16-mixed"]),
    "unknown_class": (["optimizer._target_=torch.optim.Foo"], ["torch.optim.Foo"]),
    "class_not_allowed": (["optimizer._target_=pytorch_optimizer.Fromage"], ["Fromage", "commercial use"]),
    "no_root": (["dataset=image_folder"], ["dataset.root"]),
    "root_missing": (["dataset=image_folder", "dataset.root=nowhere"], ["nowhere"]),
    "network_for_images": (["dataset=line", "batch_size=3", "loss=mse"], ["cnn", "model=linear"]),
    "loss_for_classes": (["dataset=line", "batch_size=3", "model=linear"], ["cross_entropy", "loss=mse"]),
    "unknown_augmentation": (["dataset.augment=flip"], ["dataset.augment=flip", "crop_flip"]),
    "unknown_metric": (["metric=val/kappa"], ["metric=val/kappa", "val/acc", "val/f1"]),
    "unknown_mode": (["mode=evaluate"], ["mode=evaluate", "train, test, predict"]),
    "no_checkpoint": (["mode=test"], ["ckpt="]),
    "checkpoint_missing": (["ckpt=nowhere.ckpt"], ["nowhere.ckpt", "no such file"]),
    "no_input": (["mode=predict", "ckpt=other.ckpt"], ["other.ckpt"]),
    "muon_without_hidden": (["optimizer=muon", "model=linear"], ["muon", "optimizer=adamw"]),
    "schedule_argument": (["lr=cosine", "lr.eta=0"], ["no 'eta'", "eta_min"]),
    "key_of_the_trainer": (["max_epochs=5"], ["max_epochs", "did you mean trainer.max_epochs?"]),
    "misspelt_group": (["optimzer.lr=0.1"], ["did you mean optimizer.lr?"]),
    "misspelt_group_forced_in": (["+optimzer.lr=0.1"], ["optimzer"]),
    "several_values": (["seed=0,1"], ["seed=0,1", "-m"]),
    "several_loggers": (["logger=wandb,csv"], ["'logger=[wandb,csv]'"]),
    "dashes": (["--optimizer=adam"], ["optimizer=adam", "without --"]),
    "no_lr": (["~optimizer.lr"], ["optimizer.lr is missing"]),
    "no_group": (["~dataset"], ["dataset is missing"]),
    "class_as_an_option": (["model=mynet.Net"], ["model=mynet.Net", "a class is typed as model._target_=mynet.Net"]),
    "null_group": (["optimizer=null"], ["optimizer=null", "adam"]),
    "end_above_start": (["lr=cosine", "lr.eta_min=0.1"], ["lr.eta_min=0.1", "0.001"]),
    "no_batches": (["trainer.limit_train_batches=0"], ["trainer.limit_train_batches=0", "1 or more"]),
    "less_than_a_batch": (["trainer.limit_train_batches=0.001"], ["less than one batch"]),
    "never_saved": (["callbacks.checkpoint.every_n_epochs=0"], ["every_n_epochs=0", "1 or more"]),
    "half_precision_on_cpu": (["trainer=cpu", "trainer.precision=16-mixed"], ["needs a GPU", "bf16-mixed"]),
    "batch_of_one": (["model=resnet18", "batch_size=17"], ["batch_size=17", "last batch of one", "batch_size=18"]),
    "path_of_any_characters": (["dataset=image_folder", "dataset.root=~/pho tos_é(1)"], ["pho tos_é(1)", "no folder"]),
    "folder_for_checkpoint": (["ckpt=/proc"], ["ckpt=/proc", "checkpoints/last.ckpt"]),
    "augmentation_for_images": (
        ["dataset=line", "batch_size=3", "model=linear", "loss=mse", "dataset.augment=crop_flip"],
        ["crop_flip", "needs images"],
    ),
    "endless": (["trainer.max_epochs=-1"], ["max_steps"]),
    "hydras_own_way_to_say_m": (["hydra.mode=MULTIRUN"], ["hydra.mode=MULTIRUN", "python train.py -m"]),
    "run_where_i_stand": (["hydra.run.dir=."], ["hydra.run.dir=.:", "hydra.run.dir=FOLDER"]),
    "run_nowhere": (["hydra.run.dir="], ["hydra.run.dir=:", "hydra.run.dir=FOLDER"]),
    "sweep_where_i_stand": (["-m", "hydra.sweep.dir=a/..", "seed=0,1"], ["hydra.sweep.dir=a/..:", "FOLDER"]),
    "jobs_outside": (["-m", "hydra.sweep.subdir=../../x", "seed=0,1"], ["hydra.sweep.subdir=../../x", "within"]),
    "sweep_above": (["sweep=../../../x"], ["sweep=../../../x", "sweep=first"]),
    "sweep_with_apostrophe": (["-m", "sweep=it's", "seed=0,1"], ["sweep=it's", "sweep=first"]),
    "sweep_anywhere": (["sweep=/x"], ["sweep=/x", "sweep=first"]),
    "no_sweep": (["-m", "sweep=null", "seed=0,1"], ["sweep=:", "sweep=first"]),
    "log_elsewhere": (["hydra.job.name=../x"], ["hydra.job.name=../x", "no path"]),
    "glob_of_numbers": (["-m", "seed=glob(*)"], ["seed=glob(*)", "type its values"]),
    "glob_of_nothing": (["-m", "optimizer=glob(zz*)"], ["optimizer=glob(zz*)", "chooses nothing", "adam, adamax"]),
    "range_of_nothing": (["-m", "seed=range(0,0)"], ["seed=range(0,0)", "chooses nothing"]),
    "interval": (["-m", "optimizer.lr=interval(0,1)"], ["optimizer.lr=interval(0,1)", "optimizer.lr=0.1,0.2"]),
    "no_jobs_at_a_time": (
        ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0", "seed=0,1"],
        ["hydra.launcher.n_jobs=0", "1 or more"],
    ),
    "text_for_jobs": (
        ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=two", "seed=0,1"],
        ["hydra.launcher.n_jobs=two", "1 or more"],
    ),
    "names_nothing": (["seed=${sed}"], ["seed: Interpolation key 'sed' not found", "type a value"]),
    "names_itself": (["optimizer.lr=${optimizer.lr}"], ["optimizer.lr: Recursive", "type a value"]),
    "names_itself_in_the_folder": (["mode=${mode}"], ["mode=${mode}: Recursive", "type a value"]),
    "names_nothing_many_times": (["-m", "seed=${sed},1"], ["seed: Interpolation key 'sed' not found"]),
    "phase_of_no_study": (["phase=confirm"], ["phase=confirm", "leave it out"]),
    "no_hash": (["phase=confirm", "protocol=abc"], ["protocol=abc", "leave it out"]),
    "study_without_phase": (["protocol=sha-0123456789ab"], ["protocol=sha-0123456789ab", "phase=tune"]),
}


def assert_one_clear_line(words: list[str], wanted: list[str]) -> None:
    before = files()
    result = command(*words, "logger=none")
    assert result.code == 1
    assert "Traceback" not in result.out + result.err
    lines = result.err.strip().splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("optlab: ")
    for text in wanted:
        assert text in lines[0]
    assert files() == before


def files() -> list[str]:
    return sorted(
        str(path) for path in Path().rglob("*") if path.is_file() or path.parent.name in ("runs", "checkpoints")
    )


def test_a_run_of_a_study_can_be_typed_again_as_one_run() -> None:
    words = ("phase=tune", "protocol=sha-0123456789ab", "hydra.run.dir=run", *words_of())
    assert command(*words).code == 0
    assert RunRecord.read(Path("run")).phase == "tune"


def test_what_was_typed_is_recorded_letter_for_letter() -> None:
    assert command("seed=${batch_size}", "hydra.run.dir=run", *words_of()).code == 0
    record = RunRecord.read(Path("run"))
    assert (record.seed, record.overrides[0]) == (64, "seed=${batch_size}")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_one_clear_line(name: str) -> None:
    assert_one_clear_line(*MISTAKES[name])


def images(root: Path, count: int = 6, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    rng = np.random.default_rng(0)
    for label in classes:
        (root / label).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


def test_an_unreadable_image_is_named() -> None:
    root = images(Path("photos"))
    (root / "dog" / "3.png").write_bytes(b"not a picture")
    words = ["dataset=image_folder", "dataset.root=photos", "batch_size=2"]
    assert_one_clear_line(words, ["photos/dog/3.png"])


def test_an_empty_image_folder_says_how_it_should_look() -> None:
    Path("photos").mkdir()
    assert_one_clear_line(["dataset=image_folder", "dataset.root=photos"], ["photos", "folder"])


def cifar10(root: Path, bad_label: int | None = None) -> None:
    """A small data set in CIFAR-10's own format."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        labels = [i % 10 for i in range(20)]
        if bad_label is not None:
            labels[3] = bad_label
        content = {"data": rng.integers(0, 255, (20, 3072), dtype=np.uint8), "labels": labels}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))


def test_a_label_outside_the_classes_is_named_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)  # the checksums are those of the real files
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    cifar10(Path("data"), bad_label=12)
    words = ["dataset=cifar10", "dataset.download=false", "dataset.val_size=10", "batch_size=10"]
    assert_one_clear_line(words, ["label 12", "10 classes"])


def test_no_network_says_how_to_place_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    assert_one_clear_line(["dataset=cifar10"], ["cifar-10-python.tar.gz", "dataset=digits"])


def test_a_checkpoint_of_another_model_is_refused(train: Train) -> None:
    train("model=linear", folder="other")
    ckpt = "ckpt=other/checkpoints/last.ckpt"
    assert_one_clear_line([ckpt, "model=mlp"], ["model=linear", "model=mlp"])
    assert_one_clear_line([ckpt, "mode=test", "model=mlp"], ["model=linear", "model=mlp"])
    assert_one_clear_line([ckpt, "optimizer.lr=3"], ["optimizer.lr=3 (was 0.001)"])
    assert_one_clear_line([ckpt, "seed=3"], ["seed=3 (was 0)"])
    Path("broken.ckpt").write_bytes(b"no checkpoint")
    assert_one_clear_line(["ckpt=broken.ckpt"], ["broken.ckpt", "not a readable checkpoint"])


def test_a_run_that_is_complete_is_not_continued(train: Train) -> None:
    train("model=linear", folder="done")
    assert_one_clear_line(["ckpt=done"], ["complete (2 of 2 epochs)", "trainer.max_epochs=4", "mode=test"])
    assert_one_clear_line(["ckpt=done", "trainer.max_epochs=1"], ["trainer.max_epochs=1", "2 epochs already"])


def test_a_run_on_other_data_is_not_continued(train: Train) -> None:
    root = images(Path("photos"))
    train("model=linear", "dataset=image_folder", "dataset.root=photos", "batch_size=2", folder="run")
    (root / "dog" / "3.png").unlink()
    assert_one_clear_line(["ckpt=run", "trainer.max_epochs=9"], ["other data", "image_folder has changed"])


def test_a_folder_with_a_run_is_not_overwritten(train: Train) -> None:
    record = train("model=linear")
    result = command("logger=none", "hydra.run.dir=run", "seed=1")
    assert result.code == 1
    assert "run holds a run already; type ckpt=run to go on with it, or choose another folder" in result.err
    assert RunRecord.read(Path("run")) == record


def test_a_schedule_laid_out_for_its_length_cannot_be_extended(train: Train) -> None:
    train("lr=cosine", folder="short")
    ckpt = "ckpt=short/checkpoints/last.ckpt"
    assert_one_clear_line([ckpt, "trainer.max_epochs=9"], ["trainer.max_epochs=9", "lr=cosine"])


def test_a_folder_that_cannot_be_written_is_named() -> None:
    Path("file").write_text("in the way")
    assert_one_clear_line(["hydra.run.dir=file/run"], ["cannot write", "file/run", "hydra.run.dir=FOLDER"])
    assert_one_clear_line(["hydra.run.dir=/proc/run"], ["cannot write", "/proc/run", "hydra.run.dir=FOLDER"])


def test_a_full_disk_ends_the_run_with_one_line_and_the_record_says_failed() -> None:
    # The limit on the size of a file makes writing the checkpoint fail as a full disk does.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        result = command("logger=none", "hydra.run.dir=run", "trainer.max_epochs=1", "callbacks=quiet", "model=mlp")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.code == 1
    assert len(result.err.strip().splitlines()) == 1
    assert result.err.startswith("optlab: cannot write run/checkpoints/last.ckpt: ")
    assert RunRecord.read(Path("run")).status == "failed"
    assert list(Path("run/checkpoints").iterdir()) == []


@pytest.mark.parametrize("word", ["debug=true", "traceback=true"])
def test_the_traceback_is_there_for_who_asks(word: str) -> None:
    with pytest.raises(Exception, match="0 or more"):
        command("optimizer.lr=-1", "logger=none", word)


def test_a_bug_is_one_line_on_the_terminal_and_a_traceback_in_the_log() -> None:
    result = command("logger=none", "model=linear", "model._target_=tests.test_run.Broken", "hydra.run.dir=run")
    assert result.code == 1
    first, second = result.err.strip().splitlines()
    assert re.fullmatch(r"optlab: RuntimeError: a bug in a user's network \(test_run\.py, line \d+\)", first)
    assert "run/train.log" in second
    assert "Traceback" in Path("run/train.log").read_text()
