"""Keys and bodies to draw from."""

KIB, MIB = 1 << 10, 1 << 20
# The longest key that S3 takes, in bytes.
LONGEST = 1024

ORDINARY = ["a", "b.txt", "data/part-00000.parquet", "data/part-00001.parquet", "data/sub/x", "logs/2026/11/25.log", "z"]
ODD = [
    "with space",
    "plus+plus",
    "a+b c%20d",
    "percent%25%2F",
    "year=2026/month=11",
    "amp&and;semi",
    "q?uestion",
    "hash#tag",
    "tilde~",
    "quote\"s'",
    "<angle>&amp;",
    "comma,colon:at@",
    "dollar$excl!",
    "star*(paren)",
    "brackets[]{}|^`",
    "ключ",
    "Unicode-\u00e9",
    "combining-e\u0301",
    "emoji-\U0001f600/\U00010348",
    "\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb",
    "deep/er/and/deep/er/still",
    "trailing/",
    "dir/",
    ".hidden",
    "dots...and..more",
    "UPPER/lower",
    "0",
    "-dash",
    "_under",
    "a" * 200,
    "\u00fc" * 100 + "/long",
    "%",
    "%2e",
    "=",
    "space at end ",
    " space at start",
    "tab\there",
    "l" * 250 + "/" + "m" * 250 + "/" + "n" * 250 + "/" + "o" * 250,
    "backtick`and\\backslash",
]
# Stores on file systems show these in their own ways; they are read like any other.
PATHOLOGICAL = ["//double", "a//b", "/leading", "mid//dle/", "line\nfeed", "return\rhere", "k" * LONGEST, "nul\x01\x1f"]


def choose(dice, count):
    """The keys of one round."""
    keys = dice.sample(ORDINARY, 3) + dice.sample(ODD, max(count - 4, 1))
    if dice.random() < 0.3:
        keys += dice.sample(PATHOLOGICAL, 1)
    if "a//b" in keys or "//double" in keys:
        # Where a store makes one object of two keys, a write to one is seen under the other later: not looked at here.
        keys = [key for key in keys if not key.startswith(("a/", "double", "/lead"))]
    return keys


def content(dice, size):
    return dice.randbytes(size)


def small(dice):
    """Mostly a few bytes, at times around the sizes of pages."""
    sizes = [0, 0, 1, 5, 17, 100, 1000, 4096, 65535, 65536, 65537, 100_000, 131_072]
    return content(dice, dice.choice(sizes))
