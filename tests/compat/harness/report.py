"""The outcome of the scenarios as a table, client by origin, and a line that counts them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Result:
    client: str
    origin: str
    passed: bool
    seconds: float
    output: str

    def cell(self):
        return f"{'ok' if self.passed else 'FAILED'} {self.seconds:.1f} s"

    def line(self):
        return f"{self.client} on {self.origin}: {self.cell()}"


def show(results, seconds):
    origins = list(dict.fromkeys(result.origin for result in results))
    clients = list(dict.fromkeys(result.client for result in results))
    cells = {(result.client, result.origin): result.cell() for result in results}
    print()
    print(f"{'client':<12}" + "".join(f"{origin:<16}" for origin in origins))
    for client in clients:
        print(f"{client:<12}" + "".join(f"{cells.get((client, origin), '-'):<16}" for origin in origins))
    failed = sum(not result.passed for result in results)
    print(f"\ncompat: {len(results) - failed} passed, {failed} failed in {seconds:.0f} s", flush=True)
