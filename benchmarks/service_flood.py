"""`/livez` while hundreds of clients flood the service, what they are answered, and what it holds in memory.

    python benchmarks/service_flood.py [--clients 250] [--rounds 3] [--seconds 8]

Each client sends 50 patients of 60 features a request, and the next as soon as it is answered, whatever the answer.
`/livez` is asked 50 times a second by a process of its own, before the flood and during each round. One worker,
loopback, MADE-UP data; the clients share the machine with the service.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from measuring import described, machine
from service import Request, environment, free_port, served

PATIENTS, FEATURES, PAUSE = 50, 60, 0.02


def main() -> None:
    """Make the model, start the service, flood it, print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--clients", type=int, default=250)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--seconds", type=float, default=8, help="a round")
    asked.add_argument("--livez", type=int, metavar="PORT", help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    if chosen.livez:
        asyncio.run(watched(chosen.livez))
        return
    print(described(machine("fastapi", "uvicorn", "xgboost")))
    print(f"{chosen.clients} clients, {PATIENTS} patients of {FEATURES} features a request; one worker; MADE-UP data")
    with tempfile.TemporaryDirectory() as scratch:
        house, port = Path(scratch), free_port()
        subprocess.run([sys.executable, __file__.replace("service_flood.py", "service_house.py"), str(house),
                        str(FEATURES), "400", "6"], check=True, env=environment(house))  # fmt: skip
        with served([sys.executable, "-m", "wellkept", "serve", "--port", str(port)], house, port) as process:
            alone = livez(port)
            time.sleep(chosen.seconds)
            told("before the flood", alone, process.pid)
            for number in range(1, chosen.rounds + 1):
                beside = livez(port)
                statuses = asyncio.run(flood(request_of(house, port), chosen.clients, chosen.seconds))
                told(f"round {number}", beside, process.pid)
                print("  " + ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())), flush=True)


def request_of(house: Path, port: int) -> Request:
    """A batch by features, with reasons."""
    row = {f"f{i}": 0.5 + i for i in range(FEATURES)}
    patients = [{"patient": f"case-{i}", "features": row} for i in range(PATIENTS)]
    return Request(port, "/v1/score", {"patients": patients}, (house / "key").read_text())


async def flood(request: Request, clients: int, seconds: float) -> Counter[str]:
    """What so many clients at once are answered; how often each status was, "lost" where none was."""
    ends, statuses = time.monotonic() + seconds, Counter[str]()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
        while time.monotonic() < ends:
            try:
                writer.write(request.content)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.startswith(b"content-length"))
                await reader.readexactly(length)
                status = head.split(b" ")[1].decode()
                waits = b"\r\nretry-after:" in head
                statuses[status if status == "200" or waits else f"{status} without Retry-After"] += 1
            except (OSError, asyncio.IncompleteReadError):
                statuses["lost"] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
        writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return statuses


def livez(port: int) -> subprocess.Popen:
    """A process that asks `/livez` until its input is closed, and then prints what it saw."""
    command = [sys.executable, __file__, "--livez", str(port)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def watched(port: int) -> None:
    """Milliseconds of `/livez`, asked again and again over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times, ended = [], asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        sent = time.perf_counter()
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(head.decode())
        await reader.readexactly(next(
            int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length")))
        times.append(1000 * (time.perf_counter() - sent))
        await asyncio.sleep(PAUSE)
    cuts = statistics.quantiles(times, n=100)
    print(f"{len(times)} x /livez: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {max(times):.1f} ms")


def told(name: str, asking: subprocess.Popen, pid: int) -> None:
    """Print one line."""
    says, _ = asking.communicate()
    status = Path(f"/proc/{pid}/status").read_text()
    held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    print(f"{name:18s} {says.strip()}; {held / 1024:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
