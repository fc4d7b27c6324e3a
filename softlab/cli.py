"""The command `softlab`: train networks, look after the store, examine. Wrong input: one line, exit code 2."""

import argparse
import contextlib
import dataclasses
import io
import os
import sys
from pathlib import Path

from softlab import __version__
from softlab.errors import SoftlabError
from softlab.facade import missing

MOVED = ("record", "verify", "claims", "sweep")  # commands of the book


def main(arguments: list[str] | None = None) -> None:
    """Run a command; ends the process with 0, 2 for wrong input or a failed run, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] and given[0] in MOVED:
        moved = f"{given[0]} is a command of the book: softbook {given[0]}, of the distribution softlab-book"
        sys.exit(_said("softlab", moved))
    execute("softlab", _parser().parse_args(given))


def execute(command: str, options: argparse.Namespace) -> None:
    """Run what was asked for; ends the process where that fails, as `main` says."""
    os.environ.pop("MPLBACKEND", None)  # a notebook's, which may not be installed: pages need no window
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files that are not UTF-8 are printed, too
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
    except SoftlabError as error:
        sys.exit(_said(command, str(error)))
    except KeyboardInterrupt:
        _said(command, "stopped; the same command goes on from here")
        sys.exit(130)
    except ModuleNotFoundError as error:
        sys.exit(_said(command, missing(error)))
    except BrokenPipeError:  # `softlab runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _said(command: str, text: str) -> int:
    """Say what went wrong in one line; the exit code of wrong input."""
    print(f"{command}: {text}", file=sys.stderr)
    return 2


def place_of_runs() -> argparse.ArgumentParser:
    """Options that say where networks are, and of which profile."""
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--profile", default="quick", help="a profile's name, or the path of a .yaml file (quick)")
    place.add_argument("--store", help="where runs are kept (SOFTLAB_STORE, else runs/ of the checkout)")
    return place


def setting_of_runs() -> argparse.ArgumentParser:
    """What all commands that train have in common."""
    setting = argparse.ArgumentParser(add_help=False, parents=[place_of_runs()])
    setting.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the experiment")
    setting.add_argument("--methods-file", type=Path, help="a Python file that registers methods of yours: it is run")
    setting.add_argument("--device", help="cpu, cuda, cuda:1, mps (a GPU if there is one)")
    return setting


def _parser() -> argparse.ArgumentParser:
    about = "Train networks with soft labels and look after them; look at networks from elsewhere."
    parser = argparse.ArgumentParser(prog="softlab", description=about)
    parser.add_argument("--version", action="version", version=f"softlab {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    setting = setting_of_runs()

    train = commands.add_parser("train", parents=[setting], help="train networks that the store does not have yet")
    train.add_argument("--method", action="append", help="a method of the profile (all); may be given again")
    train.add_argument("--seed", type=int, nargs="+", action="extend", help="seeds (all of the profile)")
    train.set_defaults(run=_train)

    report = commands.add_parser("report", parents=[setting], help="every number for a method, beside the others")
    report.add_argument("method", metavar="METHOD", help="a method's name")
    report.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the method")
    report.add_argument("--seeds", type=count, help="how many (all of the profile)")
    report.add_argument("--out", type=Path, help="the page to write (METHOD.report.html)")
    report.set_defaults(run=_report)

    _add_examine(commands)

    runs = commands.add_parser("runs", help="list, show or prune trained networks")
    runs.add_argument("action", nargs="?", choices=("list", "show", "prune"), default="list")
    runs.add_argument("names", nargs="*", metavar="RUN", help="ids, or their beginnings")
    runs.add_argument("--store", help="where runs are kept")
    runs.set_defaults(run=_runs)
    return parser


def _add_examine(commands) -> None:
    """The options of `softlab examine`."""
    examine = commands.add_parser(
        "examine", help="what the lenses say about a network trained elsewhere, or predictions"
    )
    about = "weights of a network; of several, to compare them with the first; a folder: networks of one method"
    examine.add_argument("weights", metavar="WEIGHTS.safetensors", nargs="*", help=about)
    about = "as torchvision calls it, or timm, where that is installed: resnet18, timm/resnet18.a1_in1k, …"
    examine.add_argument("--architecture", metavar="NAME", help=about)
    about = (
        "FOLDER/<class>/<image>, a .csv with columns path and label, an .npz with images and labels, or an .npy; read "
    )
    about += "as colour; pixels as they lie in the file: EXIF orientation is not applied"
    examine.add_argument("--images", metavar="PATH", help=about)
    examine.add_argument("--head", help="the linear layer that gives the logits (found)")
    examine.add_argument("--output", help="which of the things that the network returns are its logits (found)")
    examine.add_argument("--size", type=count, metavar="PIXELS", help="resize all images to PIXELS × PIXELS")
    for name in ("--mean", "--std"):
        examine.add_argument(name, type=float, nargs=3, help="of each channel (timm's own, else no normalisation)")
    about = "how many images meet attacks (100); 0: neither attacks nor corruptions are tried, which is quick"
    examine.add_argument("--attacked", type=_whole, default=100, metavar="COUNT", help=about)
    examine.add_argument("--device", help="cpu, cuda, cuda:1, mps (a GPU if there is one)")
    only = examine.add_argument_group("predictions without their network (.npy, .npz, .csv)")
    only.add_argument("--logits", metavar="FILE", nargs="+", help="a row for each image, a column for each class")
    only.add_argument("--probs", metavar="FILE", nargs="+", help="the same, probabilities")
    only.add_argument("--labels", metavar="FILE", help="of these or of --images: classes from 0 on, names, or soft")
    examine.add_argument("--out", type=Path, help="the page to write (WEIGHTS.examination.html)")
    examine.set_defaults(run=_examine)


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _whole(text: str) -> int:
    """A whole number from 0, for argparse."""
    return 0 if text == "0" else count(text)


def _assignments(given: list[str], option: str, kind: str, text: tuple[str, ...] = ()) -> dict[str, object]:
    """The pairs NAME=VALUE that were given: {name: value}.

    text: names whose value is kept as typed, unless it is in quotes; other values may be numbers, lists, ….
    """
    from softlab.files import read_value

    values: dict[str, object] = {}
    for assignment in given:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise SoftlabError(f"{option} takes {kind}=VALUE, not {assignment!r}")
        name = name.strip()
        value = value.lstrip()
        if name in text and not value.startswith(("'", '"')):
            values[name] = value
            continue
        try:
            values[name] = read_value(value)
        except SoftlabError as error:
            raise SoftlabError(f"{option} {name}: {error}") from None
    return values


def changes(given: list[str]) -> dict[str, object]:
    """What --set changes."""
    from softlab.training.experiment import TEXT_FIELDS

    return _assignments(given, "--set", "FIELD", TEXT_FIELDS)


def fitted(experiment, store: str | None, device, progress: str):
    """The run of an experiment; a bar while it trains, a line when it is done. progress: `3 of 10`, say."""
    from tqdm import tqdm

    from softlab.training import loop, runs

    shown = {"desc": f"{experiment.method}, seed {experiment.seed}", "unit": "epoch", "delay": 30, "mininterval": 30}
    with tqdm(total=experiment.epochs, leave=False, **shown) as bar:

        def ahead(state: loop.TrainingState) -> None:
            bar.update(state.epoch - bar.n)

        run = runs.fit_or_load(experiment, store=store, device=device, on_epoch=ahead)
    if bar.n:  # else it was there, or another process trained it meanwhile
        seconds = run.provenance["wall_seconds"]
        accuracy = run.history["accuracy"][-1]
        print(f"trained {run.id} in {seconds:.1f} s, training accuracy {accuracy:.3f} ({progress})", flush=True)
    return run


def _train(options) -> None:
    from softlab.profile import load_profile

    given = changes(options.set)
    if options.methods_file:
        from softlab import methods_file

        methods_file.run(options.methods_file)
    profile = load_profile(options.profile, **given)

    from softlab.numbers import stored
    from softlab.training import loop, runs

    device = loop.choose_device(options.device)
    methods = {name: profile.methods.get(name, {}) for name in options.method or profile.methods}
    chosen = dataclasses.replace(profile, methods=methods, seeds=options.seed or profile.seeds)
    experiments = chosen.experiments()
    for number, experiment in enumerate(experiments, 1):
        run = fitted(experiment, options.store, device, f"{number} of {len(experiments)}")
        stored.of(run, profile.evaluation)
    print(f"{len(experiments)} runs in {runs.store_folder(options.store)}")


def _report(options) -> None:
    overrides = changes(options.set)
    parameters = _assignments(options.parameter, "--parameter", "NAME") if options.parameter else None
    path = options.out or Path(f"{options.method}.report.html")
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():  # known before hours of training
        raise SoftlabError(f"--out is a file that ends in .html, not {str(path)!r}")
    if options.methods_file:
        from softlab import methods_file

        methods_file.run(options.methods_file)

    from softlab.inspector.report import report_card

    settings = {"parameters": parameters, "seeds": options.seeds, "overrides": overrides}
    card = report_card(options.method, options.profile, **settings, store=options.store, device=options.device)
    print("\n".join(card.findings()))
    print(f"the whole card: {card.save(path).absolute()}")


def _examine(options) -> None:
    page = options.out
    if page and (page.suffix.lower() not in (".html", ".htm") or page.is_dir()):  # known before minutes of work
        raise SoftlabError(f"--out is a file that ends in .html, not {str(page)!r}")
    groups = _files_to_examine(options)

    from softlab.batches import cpu_threads
    from softlab.inspector.comparison import compare

    alone = len(groups) == 1 and all(len(files) == 1 for files in groups.values())
    predictions = options.logits or options.probs
    with cpu_threads(1) if predictions else contextlib.nullcontext():  # a few rows at a time are no work for several
        examined = _examined_predictions(options, groups) if predictions else _examined(options, groups)
        result = next(iter(examined.values()))[0] if alone else compare(examined)
        print(*result.findings(), sep="\n")
        print(f"all numbers: {result.save(page or f'{next(iter(groups))}.examination.html')}")


def _files_to_examine(options) -> dict[str, list[Path]]:
    """What `examine` looks at: name -> files, several for a folder."""
    if options.logits or options.probs:
        _check_predictions_alone(options)
        return _files_by_name(options.logits or options.probs, (".npy", ".npz", ".csv", ".tsv"))
    _check_network_whole(options)
    return _files_by_name(options.weights, (".safetensors",))


def _check_predictions_alone(options) -> None:
    """Raise SoftlabError if something is given beside predictions that would be ignored."""
    kind = "--logits" if options.logits else "--probs"
    others = {"WEIGHTS": options.weights, "--images": options.images, "--architecture": options.architecture}
    if options.logits:
        others["--probs"] = options.probs
    for name, value in others.items():
        if value:
            raise SoftlabError(f"give {kind} or {name}, not both: predictions are examined without their network")


def _check_network_whole(options) -> None:
    """Raise SoftlabError if what a network needs is missing: weights, architecture, images."""
    if not options.weights:
        raise SoftlabError("give WEIGHTS.safetensors with --architecture and --images, or predictions: --logits FILE")
    for name, what in (("architecture", "NAME"), ("images", "PATH")):
        if not getattr(options, name):
            raise SoftlabError(f"a network needs --{name} {what}")


def _files_by_name(given: list[str], suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    """Files, and those of folders, by the name under which they are compared."""
    groups: dict[str, list[Path]] = {}
    for path in (Path(text).expanduser() for text in given):
        name = path.resolve().name if path.is_dir() else path.stem
        if name in groups:  # a/logits.npy, b/logits.npy
            name = f"{path.resolve().parent.name} {name}"
        files = _files_of(path, suffixes)
        if name in groups:
            raise SoftlabError(f"two of those to compare are called {name!r}: rename one")
        groups[name] = files
    return groups


def _files_of(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """A file as it is, or the files of a folder that end in one of the suffixes."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise SoftlabError(f"the folder {path} holds no file of {', '.join(suffixes)}")
    return files


def _examined_predictions(options, groups: dict[str, list[Path]]) -> dict:
    """What predictions say, by name."""
    from softlab.inspector import predictions
    from softlab.inspector.examination import of_predictions

    files = [(name, file) for name, some in groups.items() for file in some]
    given = [predictions.from_files(file, options.labels, bool(options.probs)) for _, file in files]
    found: dict[str, list] = {name: [] for name in groups}
    for (name, _), one in zip(files, predictions.in_one_order(given), strict=True):
        found[name].append(of_predictions(one))
    return found


def _examined(options, groups: dict[str, list[Path]]) -> dict:
    """What the lenses say of networks, by name. All files are checked before the first network is examined."""
    from softlab.inspector import network_files, pictures
    from softlab.inspector.examination import examine
    from softlab.training import loop

    device = loop.choose_device(options.device)
    architecture = network_files.architecture_of(options.architecture)
    networks = {
        name: [network_files.network_of(file, architecture) for file in files] for name, files in groups.items()
    }
    counts = {network_files.classes_of(network.model) for group in networks.values() for network in group}
    if len(counts) > 1:
        raise SoftlabError(f"networks of {' and '.join(map(str, sorted(counts)))} classes cannot be compared")
    images = pictures.from_path(options.images, counts.pop(), options.labels, options.size or architecture.size)
    settings = {"head": options.head, "output": options.output, "attacked": options.attacked, "progress": True}
    settings |= {"mean": options.mean or architecture.mean, "std": options.std or architecture.std}
    examinations: dict[str, list] = {}
    for name, group in networks.items():
        for network in group:
            examination = examine(network.model.to(device), images.pictures, images.labels, **settings)
            examination = dataclasses.replace(examination, notes=examination.notes + network.notes + images.notes)
            examinations.setdefault(name, []).append(examination)
            network.model.to("cpu")
    return examinations


def _runs(options) -> None:
    import json

    from softlab.training import runs, store

    by_id = {run.id: run for run in runs.stored(options.store)}
    chosen = [] if options.names else list(by_id)
    for name in options.names:
        matching = [run_id for run_id in by_id if run_id.startswith(name)]
        if not matching:
            raise SoftlabError(f"no run in {store.store_folder(options.store)} begins with {name!r}")
        chosen += matching
    if options.action == "prune":
        count = store.prune(chosen if options.names else [], options.store)
        print(f"deleted {count} runs and everything unfinished or damaged")
        return
    for name in chosen:
        run = by_id[name]
        if options.action == "show":
            record = {"id": name, "experiment": run.experiment.as_dict(), "provenance": dict(run.provenance)}
            print(
                json.dumps(record | {"last_epoch": {key: values[-1] for key, values in run.history.items()}}, indent=1)
            )
        else:
            setting = f"{run.experiment.data} {run.experiment.model} {run.experiment.epochs} epochs"
            print(f"{name}  {setting}  {run.provenance['trained']}  {run.provenance['seconds']:.0f} s")
    if not chosen:
        print(f"no runs in {store.store_folder(options.store)}")
