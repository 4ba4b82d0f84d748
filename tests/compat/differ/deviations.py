"""Where an origin itself departs from S3 and an answer from the cache cannot copy it: the rows of `deviations.toml`."""

import dataclasses
import fnmatch
import tomllib

MOST_ROWS = 20
KEYS = {"origin", "versions", "operations", "fields", "differs", "page", "reason"}
OPTIONAL = {"query", "headers", "comparison", "statuses", "keys", "expected", "got"}


@dataclasses.dataclass
class Deviation:
    """A row: the shape of the requests that it is about, and the fields that it explains."""

    number: int
    row: dict
    used: int = 0

    def explains(self, origin, finding, difference):
        row = self.row
        statuses = f"{finding.expected.status} -> {finding.got.status}"
        names = {name for name, _ in finding.step.query}, {name.lower() for name, _ in finding.step.headers}
        return (
            row["origin"] == origin
            and finding.step.operation in row["operations"]
            and set(row.get("query", [])) <= names[0]
            and set(row.get("headers", [])) <= names[1]
            and fnmatch.fnmatchcase(finding.step.key or "", row.get("keys", "*"))
            and statuses in row.get("statuses", [statuses])
            and finding.comparison in row.get("comparison", [finding.comparison])
            and any(fnmatch.fnmatchcase(difference.field, pattern) for pattern in row["fields"])
            and fnmatch.fnmatchcase(difference.expected, row.get("expected", "*"))
            and fnmatch.fnmatchcase(difference.got, row.get("got", "*"))
        )


def read(path):
    """The rows of the file.

    Raises ValueError where a row is not complete, or there are too many.
    """
    rows = tomllib.loads(path.read_text()).get("deviation", [])
    if len(rows) > MOST_ROWS:
        raise ValueError(f"{path} has {len(rows)} rows: at most {MOST_ROWS} are allowed")
    for row in rows:
        if missing := KEYS - row.keys():
            raise ValueError(f"{path}: a row lacks {', '.join(sorted(missing))}: {row}")
        if unknown := row.keys() - KEYS - OPTIONAL:
            raise ValueError(f"{path}: a row has unknown keys {', '.join(sorted(unknown))}: {row}")
    return [Deviation(number, row) for number, row in enumerate(rows, 1)]


def unexplained(rows, origin, finding):
    """The differences that no row explains; counts the rows that explain some."""
    left, used = [], set()
    for difference in finding.differences:
        row = next((row for row in rows if row.explains(origin, finding, difference)), None)
        if row:
            used.add(row.number)
        else:
            left.append(difference)
    return left, used
