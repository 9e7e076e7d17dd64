"""Starts the stand-in: ``cd tests && python -m fake_gemini``."""

from __future__ import annotations

import argparse
import time

from fake_gemini import KEY, FakeGemini, Settings


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="fake_gemini", description="A stand-in for Google's Gemini API on 127.0.0.1.")
    parser.add_argument("--latency-s", type=float, default=0.0, help="time for one image, in seconds; default: 0")
    parser.add_argument("--batch-s", type=float, default=10.0, help="time for one batch, in seconds; default: 10")
    options = parser.parse_args()
    with FakeGemini(Settings(latency_s=options.latency_s, batch_s=options.batch_s)) as server:
        print(f"{server.base_url} with the key {KEY}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print(f"{len(server.calls)} calls, {server.record.images} images, ${server.record.total_usd}")


if __name__ == "__main__":
    main()
