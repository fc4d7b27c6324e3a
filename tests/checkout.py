"""A copy of the repository in which the real engine builds the smoke book; for tests of the book and of its pages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARTS = ("_config.yml", "_toc.yml", "benchmarks", "book", "editions", "notebooks", "softlab", "workflow")


class Checkout:
    """A copy of the repository with a store of its own."""

    def __init__(self, folder: Path, chapters: int | None = None):
        self.folder, self.build = folder, folder / "_build" / "smoke"
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part, **({"ignore": ignore} if (ROOT / part).is_dir() else {}))
        for notebook in sorted((folder / "notebooks").glob("*.ipynb"))[chapters:] if chapters else ():
            notebook.unlink()
            self.edit("_toc.yml", f"      - file: notebooks/{notebook.stem}\n", "")
            for page in (folder / "book").glob("*.md"):  # nor links to it
                page.write_text(re.sub(rf"\]\(\S*{notebook.name}\)", "]", page.read_text()))
        contents = (folder / "_toc.yml").read_text()  # nor parts of the book without any page
        (folder / "_toc.yml").write_text(re.sub(r"  - caption: .*\n    chapters:\n(?=  - |\Z)", "", contents))
        (folder / "home").mkdir()
        self.environment = os.environ | {
            "PYTHONPATH": str(folder),
            "SOFTLAB_STORE": str(folder / "runs"),
            "XDG_CACHE_HOME": str(folder / "home"),
        }
        self.environment.pop("SOFTLAB_REPOSITORY", None)

    def command(self):
        snakemake = str(Path(sys.executable).with_name("snakemake"))
        options = ["--snakefile", "workflow/Snakefile", "--profile", "workflow/profiles/local"]
        return [snakemake, *options, "--config", "profile=smoke"]

    def start(self):
        return subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def make(self):
        """Exit code and everything printed by the engine and by the last step of `make book`."""
        process = self.start()
        said = process.communicate(timeout=1800)[0]
        if process.returncode == 0:
            last = [sys.executable, "workflow/summary.py", "_build/smoke"]
            done = subprocess.run(last, cwd=self.folder, env=self.environment, capture_output=True, text=True)
            return done.returncode, said + done.stdout + done.stderr
        return process.returncode, said

    def edit(self, file, old, new):
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def built(folder, chapters=None):
    made = Checkout(folder, chapters)
    code, said = made.make()
    assert code == 0, said
    made.said = said
    return made
