"""The run against one origin: rounds shared among processes, findings told once each, with the shortest replay found."""

import collections
import multiprocessing
import os
import queue
import time
import traceback

from differ import deviations, gateway, plan, play
from harness import gateway as clients
from harness import origins

# Routes behind a prefix are in the configuration, so that their number is given beforehand: for rounds, and for replays.
ROUNDS = 1000
REPLAYS = 60
# How many findings of a process are made short, and how many steps are tried one by one.
SHORTENED = 25
TRIED = 12


def origin(chosen, server, scratch, rows):
    """Runs against one origin; gives the numbers of steps that passed and failed."""
    mark = f"d{os.getpid() % 1000:03d}"
    aliases = ROUNDS + REPLAYS * chosen.workers
    print(f"differential: {server.name}, seed {chosen.seed}", flush=True)
    with gateway.start(chosen.binary, server, scratch, mark, aliases) as url:
        setting = play.Setting(
            server.name,
            server.url,
            (origins.ACCESS_KEY, origins.SECRET_KEY, origins.REGION),
            url,
            (clients.ACCESS_KEY, clients.SECRET_KEY, origins.REGION),
            chosen.seed,
            mark,
            aliases,
        )
        return Tally(chosen, server.name, rows).collect(setting)


class Tally:
    """What the workers report, added up and printed."""

    def __init__(self, chosen, name, rows):
        self.chosen, self.name, self.rows = chosen, name, rows
        self.passed = self.failed = self.rounds = 0
        self.kinds, self.operations = collections.Counter(), collections.Counter()
        self.used = collections.Counter()

    def collect(self, setting):
        reports, started = multiprocessing.Queue(), time.monotonic()
        count = 1 if self.chosen.round is not None else self.chosen.workers
        workers = [
            multiprocessing.Process(target=work, args=(self.chosen, setting, self.rows, number, reports)) for number in range(count)
        ]
        for worker in workers:
            worker.start()
        left = count
        while left:
            try:
                kind, value = reports.get(timeout=5)
            except queue.Empty:
                if not any(worker.is_alive() for worker in workers):
                    self.failed += 1
                    print("differential: a process ended without a word", flush=True)
                    break
                continue
            left -= kind == "end"
            self.take(kind, value)
        for worker in workers:
            worker.join()
        self.summary(time.monotonic() - started)
        return self.passed, self.failed

    def take(self, kind, value):
        if kind == "step":
            operation, good, used = value
            self.operations[operation] += 1
            self.passed += good
            self.failed += not good
            self.used.update(used)
        elif kind == "round":
            self.rounds += 1
        elif kind == "finding":
            signature, text = value
            self.kinds[signature] += 1
            if text:
                print(text, flush=True)
        elif kind == "crash":
            self.failed += 1
            print(value, flush=True)

    def summary(self, seconds):
        total = self.passed + self.failed
        print(f"differential: {self.name}: {total} requests in {self.rounds} rounds, {seconds:.0f} s: ", end="")
        print(", ".join(f"{name} {count}" for name, count in self.operations.most_common()))
        for row in self.rows:
            if row.row["origin"] == self.name:
                unused = " (not needed)" if not self.used[row.number] and total > 10_000 else ""
                print(f"differential: deviation {row.number}, {self.used[row.number]} times{unused}: {row.row['differs']}")
        for signature, count in self.kinds.most_common():
            print(f"differential: {count} x {' '.join(signature)}")
        print(f"differential: {self.name}: {self.failed} failed", flush=True)


def work(chosen, setting, rows, number, reports):
    """Plays every n-th round until time or requests are used up."""
    try:
        Worker(chosen, setting, rows, number, reports).run()
    except Exception:
        reports.put(("crash", traceback.format_exc()))
    reports.put(("end", number))


class Worker:
    def __init__(self, chosen, setting, rows, number, reports):
        self.chosen, self.setting, self.rows, self.number, self.reports = chosen, setting, rows, number, reports
        self.seen = set()
        self.spare = ROUNDS + number * REPLAYS
        self.last = self.spare + REPLAYS

    def run(self):
        if self.chosen.round is not None:
            steps = [int(step) for step in self.chosen.steps.split(",")] if self.chosen.steps else None
            self.round(self.chosen.round, steps)
            return
        share = self.chosen.requests and self.chosen.requests / self.chosen.workers
        deadline, sent = time.monotonic() + self.chosen.seconds, 0
        for number in range(self.number, ROUNDS, self.chosen.workers):
            if sent >= share if share else time.monotonic() > deadline:
                return
            sent += self.round(number, None)

    def round(self, number, steps):
        sent = 0
        for step, findings in play.Round(self.setting, number, number, self.chosen.skip).play(steps):
            sent += 1
            used, bad = set(), []
            for finding in findings:
                finding.differences, explaining = deviations.unexplained(self.rows, self.setting.origin, finding)
                used |= explaining
                if finding.differences:
                    bad.append(finding)
            self.reports.put(("step", (step.operation, not bad, sorted(used))))
            for finding in bad:
                self.tell(finding, steps)
        self.reports.put(("round", number))
        return sent

    def tell(self, finding, steps):
        signature = (finding.step.operation, finding.comparison, *headline(finding))
        text = ""
        if signature not in self.seen:
            self.seen.add(signature)
            steps = self.shorten(finding) if steps is None and len(self.seen) <= SHORTENED else steps
            text = self.describe(finding, steps)
        self.reports.put(("finding", (signature, text)))

    def shorten(self, finding):
        """The fewest steps found that still show it; none for the whole round."""
        if not isinstance(finding.index, int):
            return []
        drawn = plan.Plan(self.setting.seed, finding.round, self.chosen.skip)
        before = [(index, drawn.step(index)) for index in range(finding.index)]
        near = [index for index, step in before if is_near(step, finding.step)]
        same = [index for index, step in before if index in near or step.key == finding.step.key]
        for steps in ([], near, same, [index for index, step in before if not step.reads], [index for index, _ in before]):
            if self.shows(finding, steps):
                for index in list(steps)[:TRIED] if len(steps) <= TRIED else []:
                    less = [other for other in steps if other != index]
                    if self.shows(finding, less):
                        steps = less
                return [*steps, finding.index]
        return None

    def shows(self, finding, steps):
        if self.spare >= self.last:
            return False
        place, self.spare = self.spare, self.spare + 1
        again = play.Round(self.setting, finding.round, place, self.chosen.skip)
        for _, findings in again.play([*steps, finding.index]):
            for other in findings:
                if other.index == finding.index and set(finding.fields()) & set(other.fields()):
                    return True
        return False

    def describe(self, finding, steps):
        lines = [f"--- {self.setting.origin}: {finding.step.operation} ({finding.comparison}), round {finding.round}, step {finding.index}"]
        for difference in finding.differences[:12]:
            lines.append(f"  {difference.field}: expected {difference.expected[:300]!r}, got {difference.got[:300]!r}")
        lines += ["  expected:", shown(finding.expected_request, finding.expected)]
        lines += ["  got:", shown(finding.got_request, finding.got)]
        only = f" --steps {','.join(map(str, steps))}" if steps else ""
        lines.append(
            f"  replay: tests/compat/differential {self.chosen.binary} --origin {self.setting.origin}"
            f" --seed {self.setting.seed} --round {finding.round}{only}"
        )
        return "\n".join(lines)


def headline(finding):
    """What of a finding makes it one of a kind."""
    differences = {difference.field: difference for difference in finding.differences}
    telling = [differences[field] for field in ("broken", "status", "code", "xml /Error/Code") if field in differences]
    if telling:
        return [f"{each.field}: {each.expected.rpartition('}')[2]} -> {each.got.rpartition('}')[2]}" for each in telling]
    return finding.fields()[:4]


def is_near(step, other):
    """Whether an earlier step may be what another one is about: its key, its upload, its listing, or settings of the bucket."""
    if step.key is not None and step.key == other.key:
        return not step.reads
    return (step.key is None and not step.reads) or (other.key is None and step.operation == other.operation)


def shown(request, answer):
    lines = [*request.text().split("\n"), "", f"{answer.status} {answer.broken}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    body = answer.body
    lines += [repr(body[:1500]) + (f" ... {len(body)} bytes" if len(body) > 1500 else "")] if body else []
    return "\n".join(f"    {line}" for line in lines)
