"""The mutation score, file by file, of what `mutmut run` left: how many changes of the code some test noticed.

python -m tests.support.mutation mutants
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

# mutmut's exit codes: a failed test, pytest's own error, the several ends of a test that doesn't end.
_NOTICED: Final = frozenset({1, 3, 36, 24, -24, 152, 255})
_MISSED: Final = frozenset({0, 5, 33})


def main() -> None:
    noticed: Counter[str] = Counter()
    looked_at: Counter[str] = Counter()
    folder = Path(sys.argv[1])
    for meta in sorted(folder.rglob("*.py.meta")):
        name = str(meta.relative_to(folder)).removesuffix(".meta")
        codes = [code for code in json.loads(meta.read_text())["exit_code_by_key"].values() if code is not None]
        noticed[name] += sum(code in _NOTICED for code in codes)
        looked_at[name] += sum(code in _NOTICED | _MISSED for code in codes)
    for name, count in sorted(looked_at.items()):
        if count:
            print(f"{noticed[name] / count:6.1%}  {noticed[name]:5} of {count:5}  {name}")
    if not looked_at.total():
        sys.exit("No mutant was tried.")
    print(f"{noticed.total() / looked_at.total():6.1%}  {noticed.total():5} of {looked_at.total():5}  together")


if __name__ == "__main__":
    main()
