"""Plays rounds: makes the twins' buckets, sends every step straight and through Forebay, collects what differs."""

import dataclasses
import datetime
import urllib.parse

from differ import compare, plan, world

# How often a read goes through Forebay: cold, warm, warm.
READS = 3
# Conditions that the time of day decides.
DATED = {"if-modified-since", "if-unmodified-since"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where things are, the same for every round of a run."""

    origin: str
    origin_url: str
    origin_identity: tuple
    forebay_url: str
    forebay_identity: tuple
    seed: str
    # What the names of this run's buckets begin with, and those of the routes behind a prefix: one for each round.
    mark: str
    aliases: int


@dataclasses.dataclass
class Finding:
    """A step whose answers differ."""

    round: int
    index: object
    step: world.Step
    comparison: str
    differences: list
    expected_request: world.Request
    expected: object
    got_request: world.Request
    got: object

    def parts_the_twins(self):
        """Whether the twins are no longer the same, or were not."""
        both_refused = self.expected.status >= 300 and self.got.status >= 300
        return self.comparison == "stored" or (self.comparison == "write" and not both_refused)

    def fields(self):
        return tuple(sorted({difference.field for difference in self.differences}))


def address(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


def alias(mark, number):
    """A route's names: as clients know it, and its bucket at the origin."""
    return f"{mark}-alias-{number}", f"{mark}-behind-{number}"


class Round:
    """One round under way. `place` is the number of the buckets and of the route that it takes."""

    def __init__(self, setting, number, place, skip=()):
        self.setting, self.plan = setting, plan.Plan(setting.seed, number, skip)
        self.number, mark = number, setting.mark
        client_name, origin_name = alias(mark, place)
        first, second = world.Side(), world.Side()
        missing, extra = "no-such-bucket-0451", f"{mark}-x{{}}-{place}"
        names = {"plain": f"{mark}-a-{place}", "alias": f"{mark}-twin-{place}", "missing": missing, "extra": extra.format("a")}
        others = {"plain": f"{mark}-b-{place}", "alias": origin_name, "missing": missing, "extra": extra.format("b")}
        prefixes = dict.fromkeys(names, "") | {"alias": world.PREFIX}
        origin, forebay = address(setting.origin_url), address(setting.forebay_url)
        self.twin = world.View("twin", first, origin, setting.origin_identity, names, prefixes)
        self.origin = world.View("origin", second, origin, setting.origin_identity, others, prefixes)
        shown = others | {"alias": client_name}
        self.forebay = world.View(
            "forebay", second, forebay, setting.forebay_identity, shown, dict.fromkeys(names, ""), self.origin
        )

    def play(self, indexes=None):
        """Plays the round, or some of its steps; yields a list of findings for each step."""
        self.make_buckets()
        steps = [(f"s{number}", step) for number, step in enumerate(self.plan.setup())]
        steps += [(index, self.plan.step(index)) for index in (range(plan.STEPS) if indexes is None else indexes)]
        for index, step in steps:
            findings = self.play_step(index, step)
            yield step, findings
            if any(finding.parts_the_twins() for finding in findings):
                # What follows would only say so again.
                break
        for view in (self.twin, self.origin, self.forebay):
            view.connection.close()

    def make_buckets(self):
        for view in (self.twin, self.origin):
            for bucket in ["plain"] + (["alias"] if self.plan.aliased else []):
                lock = [("x-amz-bucket-object-lock-enabled", "true")] if self.plan.locks and bucket == "plain" else []
                made = view.look("PUT", bucket, None, [], lock)
                if made.status != 200:
                    raise RuntimeError(f"no bucket {view.buckets[bucket]}: {made.status} {made.body[:300]!r}")
                if self.plan.versioned and not lock:
                    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
                    step = world.Step("look", "PUT", bucket, None, [("versioning", "")], [], body)
                    world.send(view, world.build(step, view, now()))

    def play_step(self, index, step):
        findings = []
        for _ in range(step.repeat):
            found = self.read(step) if step.reads else self.write(step)
            findings += [Finding(self.number, index, step, *each) for each in found]
        return findings

    def read(self, step):
        """The second twin straight and through Forebay, which must be the same; and both twins straight: what was written."""
        requests = [world.build(step, view, now()) for view in (self.twin, self.origin, self.forebay)]
        twin = world.send(self.twin, requests[0])
        origin = world.send(self.origin, requests[1])
        found = []
        twin, different = self.differences(step, self.twin, requests[0], twin, self.origin, origin, twins=True)
        if different and step.twins:
            found.append(("stored", different, requests[0], twin, requests[1], origin))
        for number in range(READS):
            answer = world.send(self.forebay, requests[2])
            origin, different = self.differences(step, self.origin, requests[1], origin, self.forebay, answer)
            if different:
                name = "cold" if number == 0 else "warm"
                found.append((name, different, requests[1], origin, requests[2], answer))
                break
        if step.learn:
            step.learn(self.twin.side, self.twin, twin)
            step.learn(self.origin.side, self.forebay, answer)
        return found

    @staticmethod
    def differences(step, view, request, expected, got_view, got, twins=False):
        """What is expected, and what of it is not the same. A date in a condition that was to come may have passed between two
        answers, so that who gave the first one is asked once more."""
        different = compare.differences(step, expected, view, got, got_view, twins)
        if different and any(name.lower() in DATED for name, _ in step.headers):
            expected = world.send(view, request)
            different = compare.differences(step, expected, view, got, got_view, twins)
        return expected, different

    def write(self, step):
        """Straight to the first twin, through Forebay to the second."""
        requests = [world.build(step, view, now()) for view in (self.twin, self.forebay)]
        twin = world.send(self.twin, requests[0])
        answer = world.send(self.forebay, requests[1])
        for side in (self.twin.side, self.origin.side):
            side.forget()
        if step.learn:
            step.learn(self.twin.side, self.twin, twin)
            step.learn(self.origin.side, self.forebay, answer)
        different = compare.differences(step, twin, self.twin, answer, self.forebay, twins=True)
        return [("write", different, requests[0], twin, requests[1], answer)] if different else []


def now():
    return datetime.datetime.now(datetime.UTC)
