"""The space of requests: each file draws steps of one family. A step depends on the dice and the round's plan alone."""
