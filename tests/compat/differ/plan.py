"""The plan of one round: its keys, what its buckets are like, and its steps. Made from the seed alone, so that any subset of
the steps can be played again."""

from differ import world
from differ.space import keys, lists, multipart, reads, settings, writes

# How many steps a round has after those that fill its buckets. Short enough to be played again quickly.
STEPS = 60

FAMILIES = [
    (reads.draw, 46),
    (reads.attributes, 3),
    (reads.unauthorised, 2),
    (writes.put, 10),
    (writes.copy, 5),
    (writes.delete, 4),
    (writes.delete_many, 2.5),
    (multipart.create, 2.5),
    (multipart.part, 4),
    (multipart.copy_part, 1.5),
    (multipart.complete, 2.5),
    (multipart.abort, 1),
    (multipart.parts, 2),
    (lists.objects, 7),
    (lists.versions, 3),
    (lists.uploads, 2),
    (lists.buckets, 1.5),
    (lists.missing, 1.5),
    (settings.object_tagging, 3),
    (settings.object_acl, 1),
    (settings.locks, 1.5),
    (settings.bucket_settings, 2.5),
    (settings.versioning, 0.4),
    (settings.bucket_life, 1),
    (settings.restore, 0.5),
    (settings.select, 0.5),
]


class Plan:
    """What a round is, for whoever draws steps."""

    def __init__(self, seed, number, skip=()):
        self.seed, self.number = seed, number
        dice = world.dice(seed, number, "plan")
        self.aliased = dice.random() < 0.4
        self.versioned = dice.random() < 0.4
        self.locks = self.versioned and dice.random() < 0.3
        self.keys = keys.choose(dice, 8)
        self.big = ["big/object.bin"] if dice.random() < 0.12 else []
        self.families = [(draw, weight) for draw, weight in FAMILIES if draw.__name__ not in skip]

    def prefixed(self, bucket):
        return bucket == "alias"

    def bucket(self, dice):
        return "alias" if self.aliased and dice.random() < 0.5 else "plain"

    def target(self, dice):
        """A bucket and a key, at times one that nobody writes."""
        choice = dice.random()
        if self.big and choice < 0.4:
            return "plain", self.big[0]
        if choice > 0.97:
            return self.bucket(dice), "absent/key"
        # Some keys are touched more often than others, so that what is written is read.
        return self.bucket(dice), self.keys[min(int(dice.expovariate(0.45)), len(self.keys) - 1)]

    def setup(self):
        """The steps that fill the buckets; they are played in every replay."""
        dice = world.dice(self.seed, self.number, "setup")
        steps = []
        for key in self.keys[:5]:
            body = keys.small(dice)
            for bucket in ["plain"] + (["alias"] if self.aliased else []):
                steps.append(world.Step("PutObject", "PUT", bucket, key, [], [("content-type", "text/plain")], body))
        for key in self.big:
            steps += multipart.big(self, "big", key, dice)
        return steps

    def step(self, index):
        dice = world.dice(self.seed, self.number, index)
        draws, weights = zip(*self.families, strict=True)
        step = dice.choices(draws, weights)[0](dice, self)
        if step.key and not writes.fits(step.bucket, step.key):
            # With the prefix of the route it is longer than S3 allows.
            step.early |= {"KeyTooLongError"}
        return step
