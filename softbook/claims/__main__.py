"""make claims: write the records' numbers into the pages' sentences, and name those whose words no longer hold."""

import sys

from softbook.claims import ROOT, problems, rewritten, tables


def main() -> int:
    wrong = 0
    pages = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
    for path in (page for page in sorted(pages) if page.stem in tables()):
        if (new := rewritten(path)) != path.read_text(encoding="utf-8"):
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: numbers rewritten")
        for name, why in problems(path).items():
            wrong += 1
            print(f"{path.relative_to(ROOT)}: {name}: {why}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
