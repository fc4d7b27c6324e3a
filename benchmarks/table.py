"""Everything in benchmarks/results in one table: python benchmarks/table.py   (make bench ends with it)"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "workflow"))
import speed

if __name__ == "__main__":
    print(speed.terminal(speed.records()))
