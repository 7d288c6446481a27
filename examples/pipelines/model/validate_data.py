"""Looks over the data before anything is trained on it, with pandas alone.

python validate_data.py data.csv --report report.json    # exit code 1 and what is wrong, or a report for train.py
"""

import argparse
import json
import sys
from pathlib import Path

import pandas
from dataset import TARGET, digest, fetch, read

COLUMNS = [*fetch().columns]


def problems(table: pandas.DataFrame) -> list[str]:
    """What is wrong with the table; empty when nothing is."""
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        return [f"columns are missing: {', '.join(missing)}"]
    features = table[COLUMNS].drop(columns=TARGET)
    found = []
    if len(table) < 500:
        found.append(f"{len(table)} rows are too few: at least 500")
    if duplicates := int(table.duplicated().sum()):
        found.append(f"{duplicates} rows are there twice")
    if empty := [name for name in COLUMNS if table[name].isna().any()]:
        found.append(f"values are missing in {', '.join(empty)}")
    if text := [name for name in features if not pandas.api.types.is_numeric_dtype(features[name])]:
        return [*found, f"not numbers: {', '.join(text)}"]
    if negative := [name for name in features if (features[name] < 0).any()]:
        found.append(f"measurements below 0 in {', '.join(negative)}")
    if not table[TARGET].isin([0, 1]).all():
        found.append(f"{TARGET} is something else than 0 or 1")
    elif not 0.2 <= table[TARGET].mean() <= 0.6:
        found.append(f"{table[TARGET].mean():.0%} are {TARGET}: outside 20 % to 60 %")
    return found


def finish(data: Path, report: Path, rows: int, found: list[str]) -> int:
    """Say what was found; the report names the file that was validated, by its digest."""
    for problem in found:
        print(f"{data}: {problem}", file=sys.stderr)
    if not found:
        report.write_text(json.dumps({"sha256": digest(data), "rows": rows}) + "\n")
        print(f"{data}: {rows} rows are fit for training")
    return 1 if found else 0


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--report", type=Path, default=Path("report.json"))
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    given.report.unlink(missing_ok=True)
    content = read(given.data)
    sys.exit(finish(given.data, given.report, len(content), problems(content)))
