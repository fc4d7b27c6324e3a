"""The command `softlab`: train networks and look after the store. Wrong input: one line, exit code 2."""

import argparse
import dataclasses
import io
import math
import os
import sys
from pathlib import Path

from softlab import __version__
from softlab.errors import SoftlabError, check_known
from softlab.facade import missing
from softlab.provenance import PACKAGE


def main(arguments: list[str] | None = None) -> None:
    """Run a command; ends the process with 0, 2 for wrong input or a failed run, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    own = given[:1] if given[:1] == ["sweep"] else given  # the workflow reads the rest of it
    options = _parser().parse_args(own, argparse.Namespace(given=given))
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files that are not UTF-8 are printed, too
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
    except SoftlabError as error:
        print(f"softlab: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("softlab: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        print(f"softlab: {missing(error)}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `softlab runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="softlab", description="Train the book's networks and look after them.")
    parser.add_argument("--version", action="version", version=f"softlab-book {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--profile", default="quick", help="a profile's name, or the path of a .yaml file (quick)")
    place.add_argument("--store", help="where runs are kept (SOFTLAB_STORE, else runs/ of the checkout)")
    setting = argparse.ArgumentParser(add_help=False, parents=[place])  # what all that train have in common
    setting.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the experiment")
    setting.add_argument("--methods-file", type=Path, help="a Python file that registers methods of yours: it is run")
    setting.add_argument("--device", help="cpu, cuda, cuda:1, mps (a GPU if there is one)")

    train = commands.add_parser("train", parents=[setting], help="train networks that the store does not have yet")
    train.add_argument("--study", nargs="+", default=["core"], help="of chapters.yaml (core: the profile itself)")
    train.add_argument("--method", action="append", help="a method of the study (all); may be given again")
    train.add_argument("--seed", type=int, nargs="+", action="extend", help="seeds (all of the study)")
    train.add_argument("--networks", type=Path, help="train these instead: a list that the workflow has written")
    train.add_argument("--manifest", type=Path, help="write a row for each network to this file, with its numbers")
    train.set_defaults(run=_train)

    about = "write the numbers of a study for good: assets/records"
    record = commands.add_parser("record", parents=[place], help=about)
    record.add_argument("study", metavar="STUDY", nargs="?", help="of chapters.yaml (core: the profile itself)")
    record.add_argument("--list", action="store_true", help="what is on record")
    record.add_argument("--seeds", type=_count, help="how many (all of the profile)")
    only = "train recorded networks again and write just these quantities (or those of a lens) beside the others"
    record.add_argument("--only", nargs="+", metavar="QUANTITY", help=only)
    record.add_argument("--methods-file", type=Path, help="a Python file, which is run: its methods too")
    record.set_defaults(run=_record)

    about = "train some recorded networks again, and compare their numbers; with --store, compare those that are there"
    verify = commands.add_parser("verify", parents=[place], help=about)
    verify.add_argument("study", metavar="STUDY", help="of chapters.yaml (core: the profile itself)")
    verify.add_argument("--rows", type=_count, default=3, help="how many networks (3)")
    verify.add_argument("--clean", action="store_true", help="leave attacks and corruptions out: the longest part")
    verify.set_defaults(run=_verify)

    report = commands.add_parser("report", parents=[setting], help="every number for a method, beside the others")
    report.add_argument("method", metavar="METHOD", help="a method's name")
    report.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the method")
    report.add_argument("--seeds", type=_count, help="how many (all of the profile)")
    report.add_argument("--out", type=Path, help="the page to write (METHOD.report.html)")
    report.set_defaults(run=_report)

    _add_examine(commands)

    claims = commands.add_parser(
        "claims", help="the book's laws, what the papers say, declared studies, and what is on record"
    )
    claims.add_argument("names", nargs="*", metavar="NAME", help="to show in full (all, in one line each)")
    claims.set_defaults(run=_claims)

    about = "networks and notebooks over a grid of parameters, and a report"
    commands.add_parser("sweep", add_help=False, help=about).set_defaults(run=_sweep)

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
    examine.add_argument("--size", type=_count, metavar="PIXELS", help="resize all images to PIXELS × PIXELS")
    for name in ("--mean", "--std"):
        examine.add_argument(name, type=float, nargs=3, help="of each channel (timm's own, else no normalisation)")
    about = "how many images meet attacks (100); 0: neither attacks nor corruptions are tried, which is quick"
    examine.add_argument("--attacked", type=_whole, default=100, metavar="COUNT", help=about)
    examine.add_argument("--device", help="cpu, cuda, cuda:1, mps (a GPU if there is one)")
    only = examine.add_argument_group("predictions without their network (.npy, .npz, .csv)")
    only.add_argument("--logits", metavar="FILE", nargs="+", help="a row for each image, a column for each class")
    only.add_argument("--probs", metavar="FILE", nargs="+", help="the same, probabilities")
    only.add_argument("--labels", metavar="FILE", help="of these or of --images: classes from 0 on, or names")
    examine.add_argument("--out", type=Path, help="the page to write (WEIGHTS.examination.html)")
    examine.set_defaults(run=_examine)


def _count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _whole(text: str) -> int:
    """A whole number from 0, for argparse."""
    return 0 if text == "0" else _count(text)


def _assignments(given: list[str], option: str, kind: str, text: tuple[str, ...] = ()) -> dict[str, object]:
    """NAME=VALUE, as often as it was given: {name: value}.

    text: names whose value is what was typed, unless that stands in quotes; other values may be numbers, lists, ….
    """
    from softlab.files import read_value

    found: dict[str, object] = {}
    for assignment in given:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise SoftlabError(f"{option} takes {kind}=VALUE, not {assignment!r}")
        name = name.strip()
        value = value.lstrip()
        if name in text and not value.startswith(("'", '"')):
            found[name] = value
            continue
        try:
            found[name] = read_value(value)
        except SoftlabError as error:
            raise SoftlabError(f"{option} {name}: {error}") from None
    return found


def _changes(given: list[str]) -> dict[str, object]:
    """What --set changes."""
    from softlab.training.experiment import TEXT_FIELDS

    return _assignments(given, "--set", "FIELD", TEXT_FIELDS)


def _wanted(options) -> list:
    """What `train` is asked for: [(study, what to train, what it is measured on), …], as _listed has it."""
    from softlab.profile import load_profile, study_profile

    changes = _changes(options.set)
    if options.methods_file:
        from softlab.studies import own_methods

        own_methods.run(options.methods_file)
    settings = load_profile(options.profile, **changes)
    if options.networks:
        return _listed(options.networks)
    wanted = []
    for study in options.study:
        profile = study_profile(settings, study)
        methods = {name: profile.methods.get(name, {}) for name in options.method or profile.methods}
        chosen = dataclasses.replace(profile, methods=methods, seeds=options.seed or profile.seeds)
        wanted += [(study, experiment, profile.evaluation) for experiment in chosen.experiments()]
    return wanted


def _fitted(experiment, store: str | None, device, progress: str):
    """The run of an experiment, with a bar while it trains and a line when it has. progress: of all that is wanted."""
    from tqdm import tqdm

    from softlab.training import loop, runs

    told = {"desc": f"{experiment.method}, seed {experiment.seed}", "unit": "epoch", "delay": 30, "mininterval": 30}
    with tqdm(total=experiment.epochs, leave=False, **told) as bar:

        def ahead(state: loop.TrainingState) -> None:
            bar.update(state.epoch - bar.n)

        run = runs.fit_or_load(experiment, store=store, device=device, on_epoch=ahead)
    if bar.n:  # else it was there, or another process trained it meanwhile
        seconds = run.provenance["wall_seconds"]
        accuracy = run.history["accuracy"][-1]
        print(f"trained {run.id} in {seconds:.1f} s, training accuracy {accuracy:.3f} ({progress})", flush=True)
    return run


def _train(options) -> None:
    from softlab.files import write_json

    wanted = _wanted(options)

    from softlab.numbers import stored
    from softlab.training import loop, runs

    device = loop.choose_device(options.device)
    rows = []
    for count, (study, experiment, evaluation) in enumerate(wanted, 1):
        run = _fitted(experiment, options.store, device, f"{count} of {len(wanted)}")
        found = stored.of(run, evaluation).values
        values = {name: value if math.isfinite(value) else None for name, value in found.items()}
        row = {"id": run.id, "study": study, "method": experiment.method, "seed": experiment.seed}
        rows.append(row | {"values": values})
    if options.manifest:
        write_json(options.manifest, rows)
    else:
        print(f"{len(rows)} runs in {runs.store_folder(options.store)}")


def _record(options) -> None:
    from softlab.profile import load_profile
    from softlab.studies import recording, records

    if options.list or not options.study:
        print(records.listed().to_string(index=False))
        return
    settings = load_profile(options.profile, **({"seeds": options.seeds} if options.seeds else {}))
    if options.methods_file:
        from softlab.studies import own_methods

        settings = own_methods.added(settings, options.study, options.methods_file)
    if options.only:
        left = recording.add(options.study, settings, options.only, options.store)
        said = f"{len(left)} networks differ from their rows, which stay as they were"
        print(f"{said}{': ' * bool(left)}{', '.join(left)}")
        return
    print(f"recorded: {recording.record(options.study, settings, options.store)}")


def _verify(options) -> None:
    from softlab.profile import load_profile
    from softlab.studies import recording

    differ = 0
    for comparison in recording.verify(
        options.study, load_profile(options.profile), options.rows, options.store, options.clean
    ):
        print(comparison, flush=True)
        differ += comparison.word == "differs"
    if differ:
        raise SoftlabError(f"{differ} networks are not what the record says")


def _listed(path: Path) -> list:
    """The networks of a file that workflow/plan.py has written: [(study, experiment, evaluation), …]."""
    import json

    from softlab.training.experiment import Experiment

    try:
        listed = json.loads(path.read_bytes())
        return [(one["study"], Experiment(**one["experiment"]), one["evaluation"]) for one in listed]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SoftlabError(f"--networks {path}: this is no list of networks ({error})") from None


def _report(options) -> None:
    overrides = _changes(options.set)
    parameters = _assignments(options.parameter, "--parameter", "NAME") if options.parameter else None
    path = options.out or Path(f"{options.method}.report.html")
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():  # known before hours of training
        raise SoftlabError(f"--out is a file that ends in .html, not {str(path)!r}")
    if options.methods_file:
        from softlab.studies import own_methods

        own_methods.run(options.methods_file)

    from softlab.notebook.report import report_card

    settings = {"parameters": parameters, "seeds": options.seeds, "overrides": overrides}
    card = report_card(options.method, options.profile, **settings, store=options.store, device=options.device)
    print("\n".join(card.findings()))
    print(f"the whole card: {card.save(path).absolute()}")


def _examine(options) -> None:
    page = options.out
    if page and (page.suffix.lower() not in (".html", ".htm") or page.is_dir()):  # known before minutes of work
        raise SoftlabError(f"--out is a file that ends in .html, not {str(page)!r}")
    groups = _grouped(options)

    from softlab.notebook.comparison import compare

    one = len(groups) == 1 and all(len(files) == 1 for files in groups.values())
    examined = _examined_predictions(options, groups) if options.logits or options.probs else _examined(options, groups)
    found = next(iter(examined.values()))[0] if one else compare(examined)
    print(*found.findings(), sep="\n")
    print(f"all numbers: {found.save(page or f'{next(iter(groups))}.examination.html')}")


def _grouped(options) -> dict[str, list[Path]]:
    """What `examine` is to look at: name -> files, several where it was given a folder of them."""
    predictions = options.logits or options.probs
    kind = "--logits" if options.logits else "--probs"
    beside = {"WEIGHTS": options.weights, "--images": options.images, "--architecture": options.architecture}
    beside |= {"--probs": options.probs} if options.logits else {}
    if predictions and (other := next((name for name, value in beside.items() if value), None)):
        raise SoftlabError(f"give {kind} or {other}, not both: predictions are examined without their network")
    if not predictions and not options.weights:
        raise SoftlabError("give WEIGHTS.safetensors with --architecture and --images, or predictions: --logits FILE")
    for name, what in (("architecture", "NAME"), ("images", "PATH")):
        if not predictions and not getattr(options, name):
            raise SoftlabError(f"a network needs --{name} {what}")
    suffixes = (".npy", ".npz", ".csv", ".tsv") if predictions else (".safetensors",)
    groups: dict[str, list[Path]] = {}
    for given in predictions or options.weights:
        path = Path(given).expanduser()
        files = [path]
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if one.suffix.lower() in suffixes)
        if not files:
            raise SoftlabError(f"the folder {path} holds no file of {', '.join(suffixes)}")
        name = path.resolve().name if path.is_dir() else path.stem
        name = f"{path.resolve().parent.name} {name}" if name in groups else name  # a/logits.npy, b/logits.npy
        if name in groups:
            raise SoftlabError(f"two of those to compare are called {name!r}: rename one")
        groups[name] = files
    return groups


def _examined_predictions(options, groups: dict[str, list[Path]]) -> dict:
    """What predictions say, by name."""
    from softlab.notebook import predictions
    from softlab.notebook.examination import of_predictions

    files = [(name, file) for name, some in groups.items() for file in some]
    given = [predictions.from_files(file, options.labels, bool(options.probs)) for _, file in files]
    found: dict[str, list] = {name: [] for name in groups}
    for (name, _), one in zip(files, predictions.in_one_order(given), strict=True):
        found[name].append(of_predictions(one))
    return found


def _examined(options, groups: dict[str, list[Path]]) -> dict:
    """What the lenses say of networks, by name. Whether all files fit is known before the first is looked at."""
    from softlab.notebook import network_files, pictures
    from softlab.notebook.examination import examine
    from softlab.training import loop

    device = loop.choose_device(options.device)
    architecture = network_files.architecture_of(options.architecture)
    networks = {
        name: [network_files.network_of(file, architecture) for file in files] for name, files in groups.items()
    }
    counts = {network_files.classes_of(one.model) for some in networks.values() for one in some}
    if len(counts) > 1:
        raise SoftlabError(f"networks of {' and '.join(map(str, sorted(counts)))} classes cannot be compared")
    images = pictures.from_path(options.images, counts.pop(), options.labels, options.size or architecture.size)
    settings = {"head": options.head, "output": options.output, "attacked": options.attacked, "progress": True}
    settings |= {"mean": options.mean or architecture.mean, "std": options.std or architecture.std}
    found: dict[str, list] = {}
    for name, some in networks.items():
        for one in some:
            seen = examine(one.model.to(device), images.pictures, images.labels, **settings)
            seen = dataclasses.replace(seen, notes=seen.notes + one.notes + images.notes)
            found.setdefault(name, []).append(seen)
            one.model.to("cpu")
    return found


def _claims(options) -> None:
    from softlab.files import read_yaml
    from softlab.profile import declared

    studies = PACKAGE / "studies"
    ours = read_yaml(studies / "laws.yml")
    theirs = read_yaml(studies / "papers.yml")
    asked = declared()
    for name in options.names:
        check_known("law, claim or declared study", name, [*ours, *theirs, *asked])
    if not options.names:  # at once: what the records say takes torch
        for name, entry in {**ours, **theirs}.items():
            print(f"{name:24} {entry.get('paper', 'ours'):8} {entry.get('says') or entry['law']}")
        for name, entry in asked.items():
            print(f"{name:24} declared {entry['question']}")
        return
    from softlab.studies import judge, laws, margin_laws, records

    for name in options.names:
        if name in asked:
            print("\n".join(judge.told(judge.declarations()[name])))
        elif name in laws.laws("slope"):
            print("\n".join(margin_laws.told(name)))
        elif name in ours:
            law = laws.laws()[name]
            became = laws.became(name, laws.judged()) or law.contrast or law.kind
            print(f"{name} ({law.chapter}): {law.law}\n  {became}")
        else:
            said = laws.papers()[name]
            print(f"{name} ({said.paper}; {said.chapter}): {said.says}\n  {said.quantity} {said.side}")
            for profile, method, effect in said.read(records.by_profile()):
                print(f"  {profile:18} {method:16} {effect!s:16} {said.outcome(effect.interval)}")


def _sweep(options) -> None:
    """Hand everything that follows `softlab sweep` to the checkout's workflow/sweep.py."""
    import subprocess

    file = PACKAGE.parent / "workflow" / "sweep.py"
    if not file.exists():
        raise SoftlabError("sweeps need a checkout of the repository: the installed package has none")
    command = [sys.executable, str(file), *options.given[1:]]
    if os.name == "posix":
        os.execv(sys.executable, command)  # the same process: who stops it stops all of it
    sys.exit(subprocess.run(command).returncode)


def _runs(options) -> None:
    import json

    from softlab.training import runs, store

    found = {run.id: run for run in runs.stored(options.store)}
    chosen = [] if options.names else list(found)
    for name in options.names:
        matching = [one for one in found if one.startswith(name)]
        if not matching:
            raise SoftlabError(f"no run in {store.store_folder(options.store)} begins with {name!r}")
        chosen += matching
    if options.action == "prune":
        count = store.prune(chosen if options.names else [], options.store)
        print(f"deleted {count} runs and everything unfinished or damaged")
        return
    for name in chosen:
        run = found[name]
        if options.action == "show":
            record = {"id": name, "experiment": run.experiment.as_dict(), "provenance": dict(run.provenance)}
            print(json.dumps(record | {"last_epoch": {key: one[-1] for key, one in run.history.items()}}, indent=1))
        else:
            setting = f"{run.experiment.data} {run.experiment.model} {run.experiment.epochs} epochs"
            print(f"{name}  {setting}  {run.provenance['trained']}  {run.provenance['seconds']:.0f} s")
    if not chosen:
        print(f"no runs in {store.store_folder(options.store)}")
