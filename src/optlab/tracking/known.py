"""What is particular to MLflow, Aim and SwanLab."""

import logging
import os
import re
from pathlib import Path
from typing import Any

from optlab.adapters import process
from optlab.config.schema import Call
from optlab.errors import UserError
from optlab.record import RunRecord, shortest
from optlab.tracking.guard import answers, one_line
from optlab.tracking.mirror import Tracker, group_of, run_name, tags_of

log = logging.getLogger(__name__)

MLFLOW_RUN = "mlflow_run_id"  # a file of the run folder
LONGEST_TAG = 5000  # MLflow's own bound


class MLflow(Tracker):
    """A tracking server, or files in the run folder; a run that goes on from its checkpoint goes on there as well."""

    package, words = "mlflow", "MLflow"
    fills = frozenset({"tracking_uri", "experiment_name", "run_name", "run_id"})

    def uri(self, folder: Path) -> str:
        said = self.call.arguments.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI")
        return str(said or f"file:{self.call.arguments.get('save_dir') or (folder / 'mlflow').absolute()}")

    def defaults(self, record: RunRecord, folder: Path) -> dict[str, Any]:
        uri = self.uri(folder)
        process.set_unless_chosen("MLFLOW_DISABLE_TELEMETRY", "true")
        if uri.startswith("http"):  # as MLflow comes, a server that is away is asked for minutes
            process.set_unless_chosen("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
            process.set_unless_chosen("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            if not answers(uri):
                raise ConnectionError(f"{uri} does not answer")
        else:
            process.set_unless_chosen("MLFLOW_ALLOW_FILE_STORE", "true")  # refused since 3.13 unless asked for
        usual = {"tracking_uri": uri, "run_name": run_name(record)}
        usual["experiment_name"] = group_of(record, folder)
        run = folder / MLFLOW_RUN
        ckpt = record.config.get("ckpt")
        if ckpt and folder.resolve() in Path(ckpt).resolve().parents and run.exists():
            usual["run_id"] = run.read_text(encoding="utf-8").strip()
        return usual

    def make_experiment(self, record: RunRecord, folder: Path) -> None:
        """Make the experiment where it is missing: of jobs that begin together one can, and the others find it."""
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self.uri(folder))
        name = str(self.call.arguments.get("experiment_name") or group_of(record, folder))
        if client.get_experiment_by_name(name) is None:
            try:
                client.create_experiment(name, artifact_location=self.call.arguments.get("artifact_location"))
            except MlflowException:
                if client.get_experiment_by_name(name) is None:
                    raise

    def begin(self, logger: Any, record: RunRecord, folder: Path) -> None:
        self.make_experiment(record, folder)
        client = logger.experiment
        run = str(logger.version)
        (folder / MLFLOW_RUN).write_text(run + "\n", encoding="utf-8")
        for key, value in tags_of(record).items():
            client.set_tag(run, key, value[:LONGEST_TAG])
        if client.get_run(run).data.params:  # gone on with: they cannot be written again
            client.update_run(run, status="RUNNING")
        else:
            super().begin(logger, record, folder)

    def end(self, logger: Any, record: RunRecord) -> None:
        client = logger.experiment
        client.set_tag(logger.version, "status", record.status)
        ended = {"finished": "FINISHED", "diverged": "FINISHED", "stopped": "FINISHED", "interrupted": "KILLED"}
        logger.finalize(ended.get(record.status, "FAILED"))

    def where(self, record: RunRecord, folder: Path) -> str:
        uri = self.uri(folder)
        if uri.startswith("file:"):
            store = shortest(Path(uri.removeprefix("file:")))
            return f"MLFLOW_ALLOW_FILE_STORE=true mlflow server --backend-store-uri {store}"
        return uri


class Aim(Tracker):
    """A repository of Aim's, in the run folder unless the user names one that runs share."""

    package, words = "aim", "Aim"
    fills = frozenset({"repo", "experiment", "run_name"})

    def defaults(self, record: RunRecord, folder: Path) -> dict[str, Any]:
        return {
            "repo": str(folder.absolute()),
            "experiment": group_of(record, folder),
            "run_name": run_name(record),
            "system_tracking_interval": None,  # a thread that samples CPU and GPU, as logger.wandb.system_metrics
            "log_system_params": False,  # the environment variables, among them keys
            "capture_terminal_logs": False,
        }

    def end(self, logger: Any, record: RunRecord) -> None:
        from optlab.adapters.aim import put_into_index

        run = logger.experiment
        run["hparams", "status"] = record.status
        run["status"] = record.status
        repo, of_run = run.repo, run.hash
        super().end(logger, record)
        try:
            put_into_index(repo, of_run)
        except Exception as error:  # whatever it is: the run is recorded, and `aim up` looks for such runs
            log.info("Aim reads this run when `aim up` has been there (%s: %s)", type(error).__name__, one_line(error))

    def where(self, record: RunRecord, folder: Path) -> str:
        return f"aim up --repo {shortest(Path(self.call.arguments.get('repo') or folder))}"


MODES = ("online", "offline", "local", "disabled")  # of SwanLab


class SwanLab(Tracker):
    """Online where there is a key and a host that answers, offline otherwise; it asks for a login if it is let."""

    package, words = "swanlab", "SwanLab"
    fills = frozenset({"project", "experiment_name", "log_dir", "save_dir", "mode"})

    def __init__(self, name: str, call: Call) -> None:
        super().__init__(name, call)
        self.reason = ""

    def check(self) -> None:
        """Raise UserError for an argument that the class does not take, or a mode that is none."""
        super().check()
        asked = {"logger.swanlab.mode": self.call.arguments.get("mode"), "SWANLAB_MODE": os.environ.get("SWANLAB_MODE")}
        for where, mode in asked.items():
            if mode and mode not in MODES:
                raise UserError(f"{where}={mode}: must be one of {', '.join(MODES)}")

    def mode(self) -> str:
        """The mode and, in `reason`, why it is not online."""
        import swanlab

        settings = swanlab.Settings()
        wanted = self.call.arguments.get("mode") or os.environ.get("SWANLAB_MODE") or "online"
        if wanted != "online":
            self.reason = f"mode={wanted}"
            return str(wanted)
        if not settings.api_key:
            self.reason = "no key: `swanlab login` stores one"
        elif not answers(str(settings.api_host)):
            self.reason = f"{settings.api_host} does not answer"
        else:
            return "online"
        return "offline"

    def arguments(self, record: RunRecord, folder: Path) -> dict[str, Any]:
        import swanlab

        quiet = swanlab.Settings(  # no prompt; not the terminal's lines, the packages and the load of the machine
            interactive=False,
            terminal={"proxy_type": "none"},
            probe={"requirements": False, "monitor": False},
        )
        return {"settings": quiet} | super().arguments(record, folder) | {"mode": self.mode()}

    def defaults(self, record: RunRecord, folder: Path) -> dict[str, Any]:
        return {
            "project": os.environ.get("SWANLAB_PROJ_NAME")
            or re.sub(r"[^\w+.-]", "_", group_of(record, folder), flags=re.A),
            "experiment_name": run_name(record),
            "log_dir": str((folder / "swanlab").absolute()),
            "save_dir": str(folder.absolute()),
        }

    def end(self, logger: Any, record: RunRecord) -> None:
        run = logger.experiment
        run.config.update({"status": record.status})
        states = {"interrupted": "aborted"} | dict.fromkeys(("finished", "diverged", "stopped"), "success")
        state = states.get(record.status, "crashed")
        run.finish(state=state, error=None if state == "success" else record.status)

    def where(self, record: RunRecord, folder: Path) -> str:
        mode = self.mode()
        return mode if mode == "online" else f"{mode} ({self.reason}) in {shortest(folder / 'swanlab')}"


KNOWN: dict[str, type[Tracker]] = {"MLFlowLogger": MLflow, "AimLogger": Aim, "SwanLabLogger": SwanLab}


def tracker_of(name: str, call: Call) -> Tracker:
    """What is known of the tracker that a class writes to."""
    return KNOWN.get(call.target.rpartition(".")[2], Tracker)(name, call)
